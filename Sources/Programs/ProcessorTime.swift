// SPDX-License-Identifier: Apache-2.0
internal import CPlatform

/// Processor time of this process and, if asked, of its children that have ended, in seconds.
public func processorSeconds(withChildren: Bool = false) -> Double {
  tern_processor_seconds(withChildren)
}
