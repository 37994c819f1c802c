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

  /// What the clock shows at a time of the run, if nobody puts it.
  func clock(at time: RunTime) -> RunTime {
    time - lead
  }
}
