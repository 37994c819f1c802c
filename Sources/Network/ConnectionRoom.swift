// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Logging

/// How many connections a server takes: what its settings say, and never so many that the process
/// runs out of file descriptors.
///
/// The rest of the process needs some at any time: a journal, and libdispatch, which ends a
/// process in which it cannot open a file of /proc.
func connectionRoom(wanted: Int, logger: Logger) -> Int {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
    let descriptorCount = Int(exactly: limit.rlim_cur)
  else { return wanted }
  let room = max(1, descriptorCount - reservedDescriptorCount)
  guard room < wanted else { return wanted }
  logger.warning(
    "few file descriptors: fewer connections than usual are taken; raise the limit (ulimit -n)",
    metadata: ["descriptors": "\(descriptorCount)", "connections": "\(room)"])
  return room
}

/// What a coordinator opened at the most, besides connections, and twice as many again.
private let reservedDescriptorCount = 64
