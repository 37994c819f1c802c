// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Programs

struct MachineMemoryTests {
  @Test func limitsAreThoseOfAGroupAndOfAllAboveIt() {
    #expect(
      MachineMemory.limitFiles(of: "0::/system.slice/slurm/job_7\n") == [
        "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/system.slice/memory.max",
        "/sys/fs/cgroup/system.slice/slurm/memory.max",
        "/sys/fs/cgroup/system.slice/slurm/job_7/memory.max",
      ])
    let old = "12:cpu,cpuacct:/a\n4:memory:/pods/b:c\n1:name=systemd:/\n0::/\n"
    #expect(
      MachineMemory.limitFiles(of: old) == [
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/pods/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/pods/b:c/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max",
      ])
    #expect(MachineMemory.limitFiles(of: "nonsense\n\n:").isEmpty)
  }

  @Test func aLimitIsANumberOfBytes() {
    #expect(MachineMemory.limit("536870912\n") == 536_870_912)
    for contents in ["max\n", "", "-1", "0"] { #expect(MachineMemory.limit(contents) == nil) }
  }

  @Test func thisProcessHasMemory() {
    #expect(MachineMemory.byteCount > 64 << 20)
    #expect(MachineMemory.byteCount <= ProcessInfo.processInfo.physicalMemory)
  }
}
