// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Logging
internal import NIOCore

/// Lets a listener that cannot take a connection pause, and says why it cannot, now and then.
///
/// A connection that cannot be taken stays in the listener's queue, so that trying again at once
/// would use all of a processor. (NIO's `AcceptBackoffHandler` delays the next read, but not the
/// one that failed, which the selector repeats.)
///
/// Confined to its channel's event loop.
final class AcceptErrors: ChannelInboundHandler {
  typealias InboundIn = any Channel

  private static let pause = TimeAmount.milliseconds(500)
  private static let quiet = TimeAmount.seconds(10)

  private let logger: Logger
  private var quietUntil = NIODeadline.uptimeNanoseconds(0)

  init(logger: Logger) { self.logger = logger }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // Our own limit is said where it is found.
    guard error is IOError else { return }
    let channel = context.channel
    channel.setOption(.autoRead, value: false).whenSuccess {
      channel.eventLoop.scheduleTask(in: Self.pause) {
        channel.setOption(.autoRead, value: true)
      }
    }
    guard NIODeadline.now() >= quietUntil else { return }
    quietUntil = .now() + Self.quiet
    logger.error("cannot take connections", metadata: ["reason": "\(Self.reason(of: error))"])
  }

  private static func reason(of error: any Error) -> String {
    switch (error as? IOError)?.errnoCode {
    case EMFILE:
      "this process has no file descriptors left; raise its limit (ulimit -n) and start it again"
    case ENFILE: "this machine has no file descriptors left; raise fs.file-max"
    default: Network.reason(of: error)
    }
  }
}
