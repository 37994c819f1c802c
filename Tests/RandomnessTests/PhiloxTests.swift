// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

@Suite struct PhiloxTests {
  /// The known answers of Random123 1.14, `kat_vectors`, philox4x32 10.
  @Test func knownAnswers() {
    #expect(
      Philox(key: 0).block(0) == [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8])
    #expect(
      Philox(key: .max).block(.max, stream: .max)
        == [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD])
    #expect(
      Philox(key: 0x299F_31D0_A409_3822)
        .block(0x85A3_08D3_243F_6A88, stream: 0x0370_7344_1319_8A2E)
        == [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1])
  }

  @Test func everyBitOfKeyAndCounterMatters() {
    let reference = Philox(key: 0).block(0)
    for bit in 0..<64 {
      let one = UInt64(1) << bit
      let changed = [
        Philox(key: one).block(0), Philox(key: 0).block(one),
        Philox(key: 0).block(0, stream: one),
      ]
      for words in changed {
        // Of 128 bits about half change; fewer than 30 would be seven deviations off.
        let difference = words ^ reference
        let count = (0..<4).reduce(0) { $0 + difference[$1].nonzeroBitCount }
        #expect((30...98).contains(count))
      }
    }
  }
}
