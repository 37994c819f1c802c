// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Logging
internal import Messages
internal import NIOCore

/// A channel with TLS on it, before and after its handshake.
struct TLSChannel: Sendable {
  typealias Plaintext = NIOAsyncChannel<ByteBuffer, Never>

  private let plaintext: Plaintext
  private let handshake: EventLoopFuture<PeerIdentity>
  private let meter: TrafficMeter

  /// Where the other side is: its address and port.
  let address: String

  /// Puts the handlers into the pipeline of a channel that is being set up, on its event loop.
  init(
    _ channel: any Channel, to address: String, context: TLSContext, host: String,
    settings: NetworkSettings
  ) throws {
    meter = TrafficMeter()
    let engine = try TLSEngine(context: context, host: host)
    let promise = channel.eventLoop.makePromise(of: PeerIdentity.self)
    handshake = promise.futureResult
    self.address = address
    try channel.pipeline.syncOperations.addHandler(
      TLSHandler(engine: engine, settings: settings, meter: meter, handshake: promise))
    // Two buffers of at most 64 KiB wait for the reader; beyond them the socket does.
    plaintext = try Plaintext(
      wrappingChannelSynchronously: channel,
      configuration: .init(backPressureStrategy: .init(lowWatermark: 1, highWatermark: 2)))
  }

  var channel: any Channel { plaintext.channel }

  /// Waits for the handshake, then runs `body` with who the peer is and what it sends; closes the
  /// connection when that returns or throws, and waits until it is closed.
  func run<Result: Sendable>(
    _ body: (_ peer: PeerIdentity, _ bytes: NIOAsyncChannelInboundStream<ByteBuffer>) async throws
      -> Result
  ) async throws -> Result {
    try await plaintext.executeThenClose { bytes in
      let peer = try await withTaskCancellationHandler {
        try await handshake.get()
      } onCancel: {
        channel.close(promise: nil)
      }
      return try await body(peer, bytes)
    }
  }

  /// The session over an open channel; what makes reading fail is logged at `failureLevel`.
  func session<Incoming, Outgoing>(
    name: String, reader: MessageReader<Incoming>, writer: MessageWriter<Outgoing>,
    bytes: NIOAsyncChannelInboundStream<ByteBuffer>, logger: Logger,
    failureLevel: Logger.Level, isHeartbeat: @escaping @Sendable (Outgoing) -> Bool
  ) -> Session<Incoming, Outgoing> {
    let inlet = MessageInlet(
      reader: reader, bytes: bytes, logger: logger, failureLevel: failureLevel)
    let outlet = MessageOutlet(channel: channel, writer: writer, isHeartbeat: isHeartbeat)
    let terms = inlet.terms
    let meter = meter
    return Session(
      peer: Peer(name: name, address: address),
      incoming: SessionMessages { try await inlet.next() },
      send: { try await outlet.send($0) },
      admit: { terms.value = Terms(limits: .peer(maximumPayloadByteCount: $0), inbox: $1) },
      traffic: { meter.traffic })
  }
}

/// What sockets are read into: more at a time while much arrives, so that a payload wakes its reader
/// less often.
let receiveBuffers = AdaptiveRecvByteBufferAllocator(
  minimum: 1 << 10, initial: 4 << 10, maximum: 128 << 10)

extension SocketAddress {
  /// "10.0.0.1:8470" or "[::1]:8470".
  var inWords: String {
    guard let ip = ipAddress, let port else { return "\(self)" }
    return endpointText(host: ip, port: port)
  }
}

/// A host and a port as one writes them.
func endpointText(host: String, port: Int) -> String {
  host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
}
