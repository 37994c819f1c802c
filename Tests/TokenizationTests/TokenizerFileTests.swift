// SPDX-License-Identifier: Apache-2.0
import Testing
import Tokenization

@Suite struct TokenizerFileTests {
  /// A small file, with `changes` made to its text.
  private func json(
    model: String = #"{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}"#,
    pre: String = #"{"type":"ByteLevel","add_prefix_space":false}"#, rest: String = ""
  ) -> [UInt8] {
    Array(#"{"pre_tokenizer":\#(pre),"model":\#(model)\#(rest)}"#.utf8)
  }

  private func refusal(_ json: [UInt8]) -> String {
    do throws(TokenizationError) {
      _ = try Tokenizer(json: json)
      return "accepted"
    } catch {
      return error.description
    }
  }

  @Test func aSmallFileIsRead() throws {
    let tokenizer = try Tokenizer(json: json())
    #expect(tokenizer.ids(of: "abba") == [2, 1, 0])
    #expect(tokenizer.vocabularySize == 3)
    #expect(tokenizer.text(of: [2, 1]) == "ab b")
  }

  @Test(arguments: ["Unigram", "WordPiece", "WordLevel", "Bigram"])
  func otherModelsAreRefusedByName(type: String) {
    #expect(
      refusal(json(model: #"{"type":"\#(type)","vocab":[]}"#))
        == "tokenizer: model.type is '\(type)', which is not supported; "
        + "use a model with a byte-level BPE tokenizer")
  }

  @Test(arguments: [
    (#"{"type":"BPE","merges":[]}"#, "model.vocab is missing"),
    (#"{"type":"BPE","vocab":{}}"#, "model.merges is missing"),
    (#"{"type":"BPE","vocab":[],"merges":[]}"#, "model.vocab must be an object"),
    (#"{"type":"BPE","vocab":{"a":"0"},"merges":[]}"#, "model.vocab['a'] must be a whole number"),
    (#"{"type":"BPE","vocab":{"a":-1},"merges":[]}"#, "model.vocab gives 'a' the id -1"),
    (#"{"type":"BPE","vocab":{"a":4194304},"merges":[]}"#, "not in 0..<4194304"),
    (#"{"type":"BPE","vocab":{"a":9223372036854775808},"merges":[]}"#, "must be a whole number"),
    (#"{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}"#, "the id 0 to both 'a' and 'b'"),
    (#"{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}"#, "both the id 0 and 1 to 'a'"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":{}}"#, "model.merges must be an array"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":["a"]}"#, "model.merges[0] is 'a' and not two"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":["a b c"]}"#, "model.merges[0] is 'a b c' and not"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":["a x"]}"#, "model.merges[0] merges 'x', which"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":["x a"]}"#, "model.merges[0] merges 'x', which"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":["a a"]}"#, "model.merges[0] merges to 'aa'"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}"#, "model.merges[0] must be 'left right'"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":[7]}"#, "model.merges[0] must be 'left right'"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}"#, "model.dropout is 'a number'"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":[],"byte_fallback":true}"#, "model.byte_fallback is"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":[],"end_of_word_suffix":"</w>"}"#, "is '</w>'"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"<unk>"}"#, "is '<unk>', which is"),
    (#"{"type":"BPE","vocab":{"a":0},"merges":[],"ignore_merges":1}"#, "must be true or false"),
    (#"7"#, "model must be an object"), (#"null"#, "model is missing"),
  ])
  func aBadModelIsRefusedWithItsPlace(model: String, complaint: String) {
    let text = refusal(json(model: model))
    #expect(text.contains(complaint), "\(text)")
  }

  @Test(arguments: [
    (#"null"#, "pre_tokenizer is 'null'"),
    (#"{"type":"Whitespace"}"#, "pre_tokenizer is 'Whitespace'"),
    (#"{"type":"ByteLevel"}"#, "pre_tokenizer.add_prefix_space is missing"),
    (#"{"type":"Sequence","pretokenizers":[]}"#, "pre_tokenizer is 'null'"),
    (#"{"type":"Sequence"}"#, "pre_tokenizer.pretokenizers is missing"),
    (
      #"{"type":"Sequence","pretokenizers":[{"type":"Metaspace"},"#
        + #"{"type":"ByteLevel","add_prefix_space":true}]}"#,
      "pre_tokenizer.pretokenizers[0].type is 'Metaspace'"
    ),
    (
      #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"^a"},"#
        + #""behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":true}]}"#,
      "pattern.Regex has the pattern '^a', which has the anchor '^'"
    ),
    (
      #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"a"},"#
        + #""behavior":"Shaken"},{"type":"ByteLevel","add_prefix_space":true}]}"#,
      "behavior is 'Shaken', which is not supported"
    ),
    (
      #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{},"behavior":"Removed"},"#
        + #"{"type":"ByteLevel","add_prefix_space":true}]}"#, "pattern.String is missing"
    ),
    (
      #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"String":""},"#
        + #""behavior":"Removed"},{"type":"ByteLevel","add_prefix_space":true}]}"#,
      "pattern.String is empty"
    ),
  ])
  func aBadPreTokenizerIsRefusedWithItsPlace(pre: String, complaint: String) {
    let text = refusal(json(pre: pre))
    #expect(text.contains(complaint), "\(text)")
  }

  @Test(arguments: [
    (#","normalizer":{"type":"Lowercase"}"#, "normalizer.type is 'Lowercase'"),
    (
      #","normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"NFKC"}]}"#,
      "normalizer.normalizers[1].type is 'NFKC'"
    ),
    (#","decoder":{"type":"WordPiece"}"#, "decoder.type is 'WordPiece'"),
    (
      #","decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"ByteLevel"}]}"#,
      "decoder.decoders is 'an unusual sequence'"
    ),
    (#","post_processor":{"type":"BertProcessing"}"#, "post_processor.type is 'BertProcessing'"),
    (
      #","post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B"}}]}"#,
      "post_processor.single[0].Sequence.id must be 'A'"
    ),
    (
      #","post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],"#
        + #""special_tokens":{}}"#, "post_processor.special_tokens.x is missing"
    ),
    (
      #","post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],"#
        + #""special_tokens":{"x":{"ids":[3]}}}"#, "ids[0] is the id of no token"
    ),
    (#","added_tokens":{}"#, "added_tokens must be an array"),
    (#","added_tokens":[{"content":"x"}]"#, "added_tokens[0].id is missing"),
    (#","added_tokens":[{"id":3}]"#, "added_tokens[0].content is missing"),
    (#","added_tokens":[{"id":2,"content":"x"}]"#, "gives the id 2 to both 'ab' and 'x'"),
    (#","added_tokens":[{"id":3,"content":"a"}]"#, "gives 'a' the id 3, but it has 0 already"),
    (#","added_tokens":[{"id":99999999,"content":"x"}]"#, "not in 0..<4194304"),
    (
      #","added_tokens":[{"id":3,"content":"x"},{"id":3,"content":"y"}]"#,
      "added_tokens[1] gives the id 3 a second time"
    ),
    (#","added_tokens":[{"id":3,"content":"x","lstrip":0}]"#, "lstrip must be true or false"),
  ])
  func badPartsAreRefusedWithTheirPlace(rest: String, complaint: String) {
    let text = refusal(json(rest: rest))
    #expect(text.contains(complaint), "\(text)")
  }

  @Test func theDecoderMayBeAbsentFusedOrASequence() throws {
    func text(_ rest: String) throws -> String {
      try Tokenizer(json: json(rest: rest)).text(of: [2, 0])
    }
    #expect(try text("") == "ab a")
    #expect(try text(#","decoder":{"type":"Fuse"}"#) == "aba")
    #expect(try text(#","decoder":{"type":"Sequence","decoders":[]}"#) == "aba")
    #expect(
      try text(#","decoder":{"type":"Sequence","decoders":[{"type":"ByteLevel"},{"type":"Fuse"}]}"#)
        == "aba")
  }

  @Test func aTemplateSetsTokensAround() throws {
    let rest = #"""
      ,"post_processor":{"type":"Sequence","processors":[
        {"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"x"}}],
         "special_tokens":{"x":{"ids":[1,1]}}},
        {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"y"}},{"Sequence":{"id":"A"}}],
         "special_tokens":{"y":{"ids":[0]}}}]}
      """#
    let tokenizer = try Tokenizer(json: json(rest: rest))
    #expect(tokenizer.ids(of: "ab") == [0, 2, 1, 1])
    #expect(tokenizer.ids(of: "") == [0, 1, 1])
    #expect(tokenizer.ids(of: "ab", addSpecialTokens: false) == [2])
  }

  @Test func bytesWithoutTokenAreUnknownOrLeftOut() throws {
    #expect(try Tokenizer(json: json()).ids(of: "aXXb") == [2])
    for (isFused, expected) in [(false, [0, 3, 3, 1] as [Int32]), (true, [0, 3, 1])] {
      let model = #"""
        {"vocab":{"a":0,"b":1,"ab":2,"?":3},"merges":["a b"],"unk_token":"?","fuse_unk":\#(isFused)}
        """#
      #expect(try Tokenizer(json: json(model: model)).ids(of: "aXXb") == expected)
    }
  }

  @Test func everyTruncationIsRefused() throws {
    let whole = try Fixture.bytes("added.tokenizer.json")
    let text = whole.prefix { $0 != UInt8(ascii: "\n") }
    #expect(throws: Never.self) { try Tokenizer(json: Array(text)) }
    for length in stride(from: 0, to: text.count, by: 53) {
      #expect(throws: TokenizationError.self) { try Tokenizer(json: Array(text.prefix(length))) }
    }
    let small = json()
    for length in small.indices {
      #expect(throws: TokenizationError.self) { try Tokenizer(json: Array(small.prefix(length))) }
    }
  }

  @Test func damagedBytesNeverCrash() throws {
    let whole = json(rest: #","added_tokens":[{"id":3,"content":"x","special":true}]"#)
    var generator = SplitMix(state: 7)
    var accepted = 0
    for _ in 0..<4000 {
      var damaged = whole
      for _ in 0...Int(generator.next() % 3) {
        damaged[Int(generator.next() % UInt64(whole.count))] = UInt8(generator.next() % 256)
      }
      if let tokenizer = try? Tokenizer(json: damaged) {
        accepted += 1
        _ = tokenizer.text(of: tokenizer.ids(of: "abx ba\u{301}"))
      }
    }
    // Changes inside names and contents leave a file that can be read.
    #expect(0 < accepted && accepted < 4000)
  }

  @Test func randomBytesAreRefused() {
    var generator = SplitMix(state: 11)
    for length in 0..<300 {
      let bytes = (0..<length).map { _ in UInt8(generator.next() % 256) }
      #expect(throws: TokenizationError.self) { try Tokenizer(json: bytes) }
    }
  }
}
