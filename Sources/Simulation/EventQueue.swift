// SPDX-License-Identifier: Apache-2.0

/// What is going to happen, soonest first; what happens at the same time, in the order of adding.
struct EventQueue<Event> {
  private struct Item {
    let time: Int64
    let order: Int
    let event: Event

    static func < (left: Item, right: Item) -> Bool {
      (left.time, left.order) < (right.time, right.order)
    }
  }

  // A binary heap: the parent of item n is item (n - 1) / 2, and not later.
  private var items: [Item] = []
  private var order = 0

  var count: Int { items.count }

  mutating func add(_ event: Event, at time: Int64) {
    items.append(Item(time: time, order: order, event: event))
    order += 1
    var index = items.count - 1
    while index > 0, items[index] < items[(index - 1) / 2] {
      items.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  mutating func next() -> (time: Int64, event: Event)? {
    guard let last = items.popLast() else { return nil }
    guard let first = items.first else { return (last.time, last.event) }
    items[0] = last
    var index = 0
    while true {
      var least = index
      for child in [2 * index + 1, 2 * index + 2] where child < items.count {
        if items[child] < items[least] { least = child }
      }
      if least == index { return (first.time, first.event) }
      items.swapAt(index, least)
      index = least
    }
  }
}
