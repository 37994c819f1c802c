// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Four real processes that are killed, stopped and cut off at random.
///
/// `TERN_CHAOS_SECONDS` makes it longer, `TERN_CHAOS_SEED` repeats one; see `make chaos`.
@Suite(.serialized) struct ChaosTests {
  private static let environment = ProcessInfo.processInfo.environment
  private static let seconds = environment["TERN_CHAOS_SECONDS"].flatMap { Int($0) } ?? 0
  private static let seed =
    environment["TERN_CHAOS_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1_000_000)
  private static let minuteCount = 4 + seconds / 30

  @Test(.timeLimit(.minutes(minuteCount)))
  func killedStoppedAndCutOffARunEndsByItselfWithTheSameBits() async throws {
    let faultCount = max(30, Self.seconds)
    let versionCount = 2 * faultCount
    let site = try Site(versions: versionCount, localSteps: 6, heartbeat: 300)
    let undisturbed = try site.undisturbedAdapter()
    let chaos = try Chaos(
      site: site, seed: Self.seed, faultCount: faultCount, versionCount: versionCount)
    func account() -> String {
      let logs = (["coordinator"] + Site.workers).map { name in
        "\(name):\n" + site.text(of: "\(name).log").suffix(3000)
      }
      return "TERN_CHAOS_SEED=\(Self.seed)\n"
        + (chaos.journal + logs).joined(separator: "\n")
    }
    do {
      try await chaos.run()
    } catch {
      Issue.record("it did not end by itself: \(error)\n\(account())")
      return
    }
    #expect(chaos.exitCodes[0] == 0, "\(account())")
    // A worker that was away when the coordinator went for good gives up after its time.
    for (name, code) in zip(Site.workers, chaos.exitCodes.dropFirst()) where code != 0 {
      #expect(code == 4, "\(account())")
      #expect(site.text(of: "\(name).log").contains("giving up"), "\(account())")
    }
    #expect(try site.bytes(of: Site.adapter) == undisturbed, "\(account())")
    if Self.environment["TERN_CHAOS_SECONDS"] != nil { print(account()) }
  }
}
