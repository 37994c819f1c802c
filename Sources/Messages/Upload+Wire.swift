// SPDX-License-Identifier: Apache-2.0
internal import CMessages
internal import Files
internal import Rounds

extension Upload {
  private func check() throws(MessageError) {
    let fields = WireFields(message: "contribution")
    try fields.check("round", contribution.round)
    try fields.check("base_version", contribution.baseVersion)
    try fields.check("example_count", contribution.exampleCount, in: 1...WireLimit.number)
    try fields.check("loss", finite: loss)
    try fields.check("token_count", tokenCount)
    try fields.check("duration", duration)
  }

  func packed() throws(MessageError) -> PackedMessage {
    try check()
    try WireFields(message: "contribution").check(
      "payload.offset", offset, in: 0...payload.byteCount)
    let body = packedBody { arena in
      Tern__Contribution.made {
        $0.round = UInt64(contribution.round)
        $0.base_version = UInt64(contribution.baseVersion)
        $0.payload = arena.announcement(payload, offset: offset)
        $0.example_count = UInt64(contribution.exampleCount)
        $0.loss = loss
        $0.token_count = UInt64(tokenCount)
        $0.duration = UInt64(duration.wholeNanoseconds)
      }
    }
    return PackedMessage(.contribution, body, payload: payload, offset: offset)
  }

  static func unpacked(
    _ body: ArraySlice<UInt8>, from worker: WorkerID
  ) throws(MessageError) -> UnpackedMessage<WorkerMessage> {
    let (upload, announced) = try withUnpacked(
      Tern__Contribution.self, body, named: "contribution"
    ) { (upload) throws(MessageError) in
      let announced = try WireFields(message: "contribution").announcement(upload.payload)
      let contribution = Contribution(
        round: Int(clamping: upload.round), baseVersion: Int(clamping: upload.base_version),
        worker: worker, payload: announced.digest,
        exampleCount: Int(clamping: upload.example_count))
      return (
        Upload(
          contribution: contribution, loss: upload.loss,
          tokenCount: Int(clamping: upload.token_count),
          duration: Messages.duration(upload.duration), payload: announced.placeholder,
          offset: announced.offset), announced
      )
    }
    try upload.check()
    return .announcing(announced) { .contribution(upload.carrying($0)) }
  }

  private func carrying(_ payload: Payload) -> Upload {
    Upload(
      contribution: contribution, loss: loss, tokenCount: tokenCount, duration: duration,
      payload: payload, offset: offset)
  }
}
