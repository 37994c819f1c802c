// SPDX-License-Identifier: Apache-2.0
internal import Glibc
public import Rounds

extension RunTime {
  /// The time by the system's clock.
  public static var now: RunTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return RunTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }
}
