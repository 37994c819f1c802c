// SPDX-License-Identifier: Apache-2.0
internal import Rounds

/// The time of a run, which goes on evenly whatever the machine's clock does.
///
/// When the clock is put back, the run's time goes on from where it was: else a deadline that was
/// set before would be as much further away.
struct RunClock {
  private var latest: RunTime
  /// How far the run's time is ahead of the clock.
  private(set) var lead = Duration.zero

  /// The time of a run whose last event was at `latest`.
  init(latest: RunTime) { self.latest = latest }

  /// The run's time when the clock shows `clock`.
  mutating func time(at clock: RunTime) -> RunTime {
    if clock + lead < latest { lead = latest - clock }
    latest = clock + lead
    return latest
  }

  /// The run's time when the clock shows `clock`, and when the clock will show `wanted` if it was put
  /// back: what is to happen then comes sooner than was expected.
  mutating func reading(
    _ clock: RunTime, wanted: RunTime?
  ) -> (now: RunTime, wake: RunTime?) {
    let before = lead
    let now = time(at: clock)
    return (now, lead == before ? nil : wanted.map { self.clock(at: $0) })
  }

  /// What the clock shows at a time of the run, if nobody puts it.
  func clock(at time: RunTime) -> RunTime {
    time - lead
  }
}
