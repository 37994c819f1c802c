// SPDX-License-Identifier: Apache-2.0
internal import CMessages
internal import CProtobufC

// Which C function initialises which message; `WireStruct.swift` has the contract.

extension Tern__Payload: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__payload__init(message) }
}

extension Tern__Part: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__part__init(message) }
}

extension Tern__Hello: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__hello__init(message) }
}

extension Tern__Contribution: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) {
    tern__contribution__init(message)
  }
}

extension Tern__Failure: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__failure__init(message) }
}

extension Tern__Activity: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__activity__init(message) }
}

extension Tern__WorkerHeartbeat: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) {
    tern__worker_heartbeat__init(message)
  }
}

extension Tern__Farewell: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__farewell__init(message) }
}

extension Tern__Welcome: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__welcome__init(message) }
}

extension Tern__Refusal: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__refusal__init(message) }
}

extension Tern__Accepted: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__accepted__init(message) }
}

extension Tern__AdapterDelivery: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) {
    tern__adapter_delivery__init(message)
  }
}

extension Tern__Assignment: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__assignment__init(message) }
}

extension Tern__Receipt: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__receipt__init(message) }
}

extension Tern__Release: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__release__init(message) }
}

extension Tern__Finish: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__finish__init(message) }
}

extension Tern__CoordinatorHeartbeat: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) {
    tern__coordinator_heartbeat__init(message)
  }
}

extension Tern__Enrolment: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__enrolment__init(message) }
}

extension Tern__Grant: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__grant__init(message) }
}

extension Tern__Renewal: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__renewal__init(message) }
}

extension Tern__Renewed: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__renewed__init(message) }
}

extension Tern__Losses: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__losses__init(message) }
}

extension Tern__StepTask: WireStruct {
  static func initialize(_ message: UnsafeMutablePointer<Self>) { tern__step_task__init(message) }
}
