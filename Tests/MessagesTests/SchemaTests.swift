// SPDX-License-Identifier: Apache-2.0
import Digests
import Foundation
import Messages
import Testing

@Suite struct SchemaTests {
  @Test func theDigestIsThatOfTheSchemaWithoutCommentsAndBlankSpace() throws {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let text = try String(contentsOfFile: "/\(root)/proto/tern.proto", encoding: .utf8)
    let bare = text.split(separator: "\n").map { line in
      String(line[..<(line.firstRange(of: "//")?.lowerBound ?? line.endIndex)])
    }
    let bytes = bare.joined().utf8.filter { $0 != UInt8(ascii: " ") }
    #expect(Schema.digest == Digest(of: Array(bytes)))
  }

  @Test func theVersionIsTheThird() {
    #expect(Schema.protocolVersion == 3)
  }
}
