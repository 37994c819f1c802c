// SPDX-License-Identifier: Apache-2.0
internal import Yams

/// Puts `a.b=c` into a tree of keys, making the sections on the way.
func override(_ root: Node, with text: String) throws(RunFileError) -> Node {
  let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
  guard parts.count == 2 else { throw .badOverride(text) }
  let keys = parts[0].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
  guard !keys.contains("") else { throw .badOverride(text) }
  let value: Node
  do {
    value = try compose(yaml: String(parts[1])) ?? Node("")
  } catch {
    throw .badOverride(text)
  }
  return try replacing(root, at: keys[...], with: value, text)
}

private func replacing(
  _ node: Node, at keys: ArraySlice<String>, with value: Node, _ text: String
) throws(RunFileError) -> Node {
  guard let key = keys.first else { return value }
  if case .sequence(var sequence) = node {
    guard let index = Int(key), sequence.indices.contains(index) else { throw .badOverride(text) }
    sequence[index] = try replacing(sequence[index], at: keys.dropFirst(), with: value, text)
    return .sequence(sequence)
  }
  var mapping = node.mapping ?? Node.Mapping([])
  let inner = mapping[Node(key)] ?? Node.mapping(Node.Mapping([]))
  mapping[Node(key)] = try replacing(inner, at: keys.dropFirst(), with: value, text)
  return .mapping(mapping)
}
