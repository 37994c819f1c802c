// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Training

struct DataTemplateTests {
  @Test func columnsAndBracesAreToldApart() throws {
    let template = try DataTemplate(prompt: "Definition: {text}\nCategory:", completion: " {label}")
    #expect(
      template.promptPieces == [.literal("Definition: "), .column("text"), .literal("\nCategory:")])
    #expect(template.completionPieces == [.literal(" "), .column("label")])
    #expect(template.columns == ["text", "label"])
  }

  @Test func doubledBracesAreBraces() throws {
    let template = try DataTemplate(prompt: "{{{a}}} {{}}", completion: "}}{{")
    #expect(template.promptPieces == [.literal("{"), .column("a"), .literal("} {}")])
    #expect(template.completionPieces == [.literal("}{")])
    #expect(template.columns == ["a"])
  }

  @Test func aColumnUsedTwiceIsNamedOnce() throws {
    let template = try DataTemplate(prompt: "{a}{b}{a}", completion: "{b}")
    #expect(template.columns == ["a", "b"])
  }

  @Test(arguments: ["{", "{a", "a}", "{}", "{a{b}}", "}", "{{a}", "{a}}", "{{{a}}"])
  func bracesThatDoNotMatchAreRefused(_ text: String) throws {
    for make in [
      { try DataTemplate(prompt: text, completion: "x") },
      { try DataTemplate(prompt: "x", completion: text) },
    ] {
      do {
        _ = try make()
        Issue.record("accepted \(text)")
      } catch TrainingError.badTemplate(let template, _) {
        #expect(template == text)
      }
    }
  }

  @Test func theErrorShowsTheTemplate() {
    let error = TrainingError.badTemplate("{}\n", problem: "{} names no column")
    #expect(error.description == #"template "{}\n": {} names no column"#)
  }
}
