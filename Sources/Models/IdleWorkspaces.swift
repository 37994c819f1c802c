// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Workspaces that nobody computes in.
///
/// Who begins to compute takes one, and gives it back at the end, so that a round does not ask the
/// system anew for what the one before had; there are never more than were in use at once.
final class IdleWorkspaces: Sendable {
  private let idle = Mutex<[Workspace]>([])

  /// One that is large enough; if there is only a smaller one, a larger one takes its place.
  func take(for model: AdaptedModel, _ pass: Pass, of extent: BatchExtent) -> Workspace {
    let found = idle.withLock { idle in
      idle.firstIndex { $0.isUsable(for: pass, of: model) }.map { idle.remove(at: $0) }
    }
    guard let found else { return model.makeWorkspace(for: pass, of: extent) }
    let both = found.extent.union(extent)
    return found.extent == both ? found : model.makeWorkspace(for: pass, of: both)
  }

  func put(_ workspace: Workspace) { idle.withLock { $0.append(workspace) } }
}

extension Workspace {
  /// Whether it has what a pass of the model needs, but perhaps not enough of it.
  fileprivate func isUsable(for pass: Pass, of model: AdaptedModel) -> Bool {
    let (passed, again) = (model.passedLayers.count, pass.recomputedBlockCount)
    return self.pass == pass && saved.count == 1 + passed - min(passed, again)
  }
}
