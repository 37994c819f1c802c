// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
internal import Glibc

/// Runs `body` until it ends, or until the process is interrupted or terminated: then it is
/// cancelled, and given the time to close what it opened.
public func stoppingOnSignals<Result: Sendable>(
  _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  let (signals, arrived) = AsyncStream<Void>.makeStream()
  let sources = [SIGINT, SIGTERM].map { number in
    // The source's own handler is what hears the signal: nothing may be put in its place.
    let source = DispatchSource.makeSignalSource(signal: number)
    source.setEventHandler { arrived.yield() }
    source.resume()
    return source
  }
  defer { for source in sources { source.cancel() } }
  return try await withThrowingTaskGroup(of: Result.self) { group in
    group.addTask { try await body() }
    group.addTask {
      for await _ in signals { throw CancellationError() }
      try await Task.sleep(for: .seconds(1 << 30))
      throw CancellationError()
    }
    defer { group.cancelAll() }
    guard let result = try await group.next() else { throw CancellationError() }
    return result
  }
}
