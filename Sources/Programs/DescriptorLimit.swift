// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Lets this process open as many files and connections as the system allows it, within reason.
///
/// Shells set the soft limit to 1,024 by default, for the sake of programs that use `select`; a
/// coordinator does not. Foundation's `Process` does: never call this where processes are started.
func raiseDescriptorLimit() {
  var limit = rlimit()
  let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
  guard getrlimit(kind, &limit) == 0 else { return }
  limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 65_536))
  setrlimit(kind, &limit)
}
