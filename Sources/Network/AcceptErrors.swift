// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Logging
internal import NIOCore

/// Says why a listener cannot take connections, now and then and not for each of them.
///
/// The listener stays; `AcceptBackoffHandler`, before this one, has it pause.
///
/// Confined to its channel's event loop.
final class AcceptErrors: ChannelInboundHandler {
  typealias InboundIn = any Channel

  private static let interval = TimeAmount.seconds(10)

  private let logger: Logger
  private var quietUntil = NIODeadline.uptimeNanoseconds(0)

  init(logger: Logger) { self.logger = logger }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard NIODeadline.now() >= quietUntil else { return }
    quietUntil = .now() + Self.interval
    logger.error("cannot take connections", metadata: ["reason": "\(Self.reason(of: error))"])
  }

  static func reason(of error: any Error) -> String {
    switch (error as? IOError)?.errnoCode {
    case EMFILE:
      "this process has no file descriptors left; raise its limit (ulimit -n) and start it again"
    case ENFILE: "this machine has no file descriptors left; raise fs.file-max"
    default: Network.reason(of: error)
    }
  }
}
