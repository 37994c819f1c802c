// SPDX-License-Identifier: Apache-2.0

/// The version of these programs.
public let softwareVersion = "0.1.0"
