// SPDX-License-Identifier: Apache-2.0

/// What a frame holds; the raw values are those of `Frame.Type` in the schema.
enum FrameType: UInt8, CaseIterable {
  case hello = 1
  case contribution = 2
  case failure = 3
  case workerHeartbeat = 4
  case farewell = 5
  case losses = 6

  case enrolment = 16

  case welcome = 32
  case refusal = 33
  case assignment = 34
  case receipt = 35
  case release = 36
  case finish = 37
  case coordinatorHeartbeat = 38
  case stepTask = 39

  case grant = 48

  case chunk = 64

  case renewal = 128
  case renewed = 160

  /// Types from here on may be skipped by a reader that does not know them.
  static let firstSkippable: UInt8 = 128

  /// The side of a connection that sends a frame.
  enum Side {
    case worker, coordinator
    /// The two sides of a connection of enrolment.
    case newcomer, authority
  }

  /// Whether `side` sends this.
  func comes(from side: Side) -> Bool {
    switch self {
    case .hello, .contribution, .losses, .failure, .workerHeartbeat, .farewell, .renewal:
      side == .worker
    case .welcome, .assignment, .stepTask, .receipt, .release, .finish, .coordinatorHeartbeat,
      .renewed:
      side == .coordinator
    case .refusal: side == .coordinator || side == .authority
    case .enrolment: side == .newcomer
    case .grant: side == .authority
    case .chunk: side == .worker || side == .coordinator
    }
  }

  /// Whether this may stand between the chunks of a payload.
  var interruptsPayloads: Bool {
    switch self {
    case .chunk, .workerHeartbeat, .coordinatorHeartbeat, .renewal, .renewed: true
    default: false
    }
  }

  /// The longest body that a frame of `rawType` may have under any limits.
  static func maximumBodyByteCount(of rawType: UInt8) -> Int {
    switch FrameType(rawValue: rawType) {
    case .welcome: WireLimit.largestBodyByteCount
    case .losses, .stepTask: WireLimit.stepBodyByteCount
    case .chunk: ChunkHeader.byteCount + WireLimit.chunkByteCount
    case nil where rawType >= firstSkippable: WireLimit.skippedBodyByteCount
    default: WireLimit.smallBodyByteCount
    }
  }
}

/// What stands before the body of every frame.
enum FrameHeader {
  /// Four bytes of length, the most significant first, and one of type.
  static let byteCount = 5

  /// The header of a frame of `type` whose body has `bodyByteCount` bytes.
  static func bytes(type: FrameType, bodyByteCount: Int) -> [UInt8] {
    precondition(bodyByteCount <= Int(UInt32.max), "a frame of \(bodyByteCount) bytes")
    return bigEndianBytes(UInt32(bodyByteCount)) + [type.rawValue]
  }
}

/// The bytes of `value`, the most significant first.
func bigEndianBytes(_ value: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
  stride(from: value.bitWidth - 8, through: 0, by: -8).map {
    UInt8(truncatingIfNeeded: value >> $0)
  }
}

/// The number whose bytes are `bytes`, the most significant first; at most eight.
func bigEndianValue(_ bytes: some Sequence<UInt8>) -> UInt64 {
  bytes.reduce(0) { $0 << 8 | UInt64($1) }
}
