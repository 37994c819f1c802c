// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Files

/// What can be wrong with an update, on its way out or in.
///
/// Tensors of a payload are named by their place in the layout, from 0.
public enum UpdateError: Error, Equatable {
  /// A density outside (0, 1].
  case density(Double)
  /// A value to be sent that is infinite or not a number.
  case nonFiniteInput(tensor: String, index: Int)
  /// A mean of updates that leads to a version with infinite numbers.
  case diverged(version: Int)
  /// More tensors than a payload can number.
  case tooManyTensors(count: Int, limit: Int)
  /// A tensor with more elements than a payload can number.
  case tensorTooLarge(tensor: String, count: Int, limit: Int)
  /// A payload that cannot be read, or not be written.
  case storage(FileError)
  /// A payload that ends before what it announces.
  case truncated(needed: Int, available: Int)
  /// Bytes that are no update at all.
  case magic
  /// A payload of another version of the format.
  case version(Int)
  /// A codec number that nobody has given out.
  case unknownCodec(Int)
  /// A payload of a codec other than the one agreed on.
  case codec(expected: String, found: String)
  /// A payload for another layout, by the number of tensors.
  case tensorCount(expected: Int, found: Int)
  /// A payload for another layout, by the layout's digest.
  case layout(expected: Digest, found: Digest)
  /// A tensor that is not where the layout has it.
  case tensorOrder(expected: Int, found: Int)
  /// A tensor coded in a way that this payload may not use.
  case coding(tensor: Int, name: String)
  /// A tensor whose number of elements is not the layout's.
  case elementCount(tensor: Int, expected: Int, found: Int)
  /// More non-zeros than a tensor, its bytes, or the agreed density allow.
  case nonZeroCount(limit: Int, found: Int)
  /// A Rice parameter that no encoder chooses.
  case riceParameter(tensor: Int, found: Int)
  /// A scale that is negative, infinite or not a number.
  case scale(tensor: Int)
  /// A raw value that is infinite or not a number.
  case nonFinite(tensor: Int, index: Int)
  /// A section whose length is not what its contents take.
  case sectionLength(tensor: Int, expected: Int, found: Int)
  /// A non-zero that lies beyond its tensor.
  case indexBeyondTensor(tensor: Int, count: Int)
  /// A bit set after a tensor's last symbol.
  case padding(tensor: Int)
  /// A sequence of more or fewer updates than there are versions to make up for.
  case updateCount(expected: Int, found: Int)
  /// A sequence of updates that is too long.
  case sequenceLength(limit: Int, found: Int)
  /// Bytes after the last tensor, or after the last update of a sequence.
  case trailingBytes(Int)
  /// Values so large that no finite scale could carry them at this density.
  case magnitude(Double)
  /// Exact values out of order, beyond their tensor, smaller than the scale, or sent twice.
  case exactValues(tensor: Int)
  /// A step along directions with something that no encoder writes.
  case directions(String)
  /// An update of more or fewer walks than belong into it.
  case walkCount(expected: Int, found: Int)
  /// A walk along directions that are not its sender's.
  case foreignDirections
  /// The saved state of another rule, or of another layout.
  case optimizerState(expected: Int, found: Int)
}

/// Lets `body` use files; what goes wrong there is an error of the update.
func storing<Result>(
  _ body: () throws(FileError) -> Result
) throws(UpdateError) -> Result {
  do throws(FileError) { return try body() } catch { throw .storage(error) }
}

extension UpdateError: CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .density(let density):
      "a ternary update's density is \(density): choose one above 0, at most 1"
    case .nonFiniteInput(let tensor, let index):
      "element \(index) of \(tensor) is not finite: lower the learning rate, or clip gradients"
    case .diverged(let version):
      "version \(version) would have numbers that are not finite: lower the learning rates"
    case .tooManyTensors(let count, let limit):
      "the adapter has \(count) tensors, an update carries at most \(limit): adapt fewer modules"
    case .tensorTooLarge(let tensor, let count, let limit):
      "\(tensor) has \(count) elements, an update carries at most \(limit) of one tensor: "
        + "lower the rank"
    case .magnitude(let scale):
      "the update's values need a scale of \(scale), which no 32-bit number can be: lower the "
        + "learning rate, or choose a higher density"
    case .optimizerState(let expected, let found):
      "the saved server optimizer has \(found) vectors of this layout, its rule needs "
        + "\(expected): resume with the run file that the run began with"
    default:
      "refused an update: \(fault); the sender must encode it again for this run"
    }
  }

  /// What is wrong with a payload.
  private var fault: String {
    switch self {
    case .storage(let error): "\(error)"
    case .truncated(let needed, let available):
      "\(available) bytes where at least \(needed) are needed"
    case .magic: "it does not begin as an update does"
    case .version(let found): "format version \(found), this program reads version 1"
    case .unknownCodec(let found): "unknown codec \(found)"
    case .codec(let expected, let found): "codec \(found), the run's is \(expected)"
    case .tensorCount(let expected, let found): "\(found) tensors, the layout has \(expected)"
    case .layout(let expected, let found):
      "made for layout \(found.short), this adapter's is \(expected.short)"
    case .updateCount(let expected, let found): "\(found) updates where \(expected) belong"
    case .sequenceLength(let limit, let found): "\(found) bytes, \(limit) are the most"
    case .trailingBytes(let count): "\(count) bytes after its end"
    case .walkCount(let expected, let found): "\(found) walks where \(expected) belongs"
    case .foreignDirections: "it is along directions that are not its sender's"
    case .directions(let what): "\(what) of a step is malformed, out of order or out of range"
    default: tensorFault
    }
  }

  /// What is wrong with one tensor of a payload.
  private var tensorFault: String {
    switch self {
    case .tensorOrder(let expected, let found): "tensor \(found) where \(expected) belongs"
    case .coding(let tensor, let name): "tensor \(tensor) has coding \(name)"
    case .elementCount(let tensor, let expected, let found):
      "tensor \(tensor) has \(found) elements, the layout says \(expected)"
    case .nonZeroCount(let limit, let found): "\(found) non-zeros where \(limit) are the most"
    case .riceParameter(let tensor, let found): "tensor \(tensor) has Rice parameter \(found)"
    case .scale(let tensor): "tensor \(tensor)'s scale is not a finite number of at least 0"
    case .nonFinite(let tensor, let index): "element \(index) of tensor \(tensor) is not finite"
    case .sectionLength(let tensor, let expected, let found):
      "tensor \(tensor) takes \(expected) bytes but announces \(found)"
    case .indexBeyondTensor(let tensor, let count):
      "a non-zero of tensor \(tensor) lies beyond its \(count) elements"
    case .padding(let tensor): "bits are set after the last symbol of tensor \(tensor)"
    case .exactValues(let tensor): "the exact values of tensor \(tensor) contradict the rest"
    default: "it is malformed"
    }
  }
}
