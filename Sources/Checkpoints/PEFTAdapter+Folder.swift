// SPDX-License-Identifier: Apache-2.0

extension PEFTAdapter {
  /// Reads the adapter in `folder`.
  public init(folder: String) throws(CheckpointError) {
    throw .unsupported(path: folder, what: "reading adapters", supported: "writing none either")
  }

  /// Writes the adapter to `folder`.
  public func write(to folder: String) throws(CheckpointError) {
    throw .unsupported(path: folder, what: "writing adapters", supported: "reading none either")
  }
}
