// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Processor time of this process and of the children that have ended, in seconds.
public func processorSeconds() -> Double {
  let whose = [Int32(RUSAGE_SELF.rawValue), RUSAGE_CHILDREN.rawValue]
  return whose.reduce(0) { sum, one in
    var usage = rusage()
    getrusage(one, &usage)
    return sum + seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }
}

private func seconds(_ time: timeval) -> Double {
  Double(time.tv_sec) + Double(time.tv_usec) / 1e6
}
