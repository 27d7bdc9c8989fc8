import Quantities

/// The expected ends of flows, one per place in the table of flows, the earliest first.
///
/// A binary heap that knows where each place stands, so that an end can move without leaving its old
/// entry behind. Equal times go by the order in which flows began.
struct EndQueue {
  private struct Entry {
    var time: Instant
    var id: FairSharing.FlowID
    var slot: Int

    func precedes(_ other: Entry) -> Bool { (time, id) < (other.time, other.id) }
  }

  private var entries: [Entry] = []
  /// Where the entry of a place stands; -1 where there is none.
  private var positions: [Int] = []

  var first: (time: Instant, id: FairSharing.FlowID, slot: Int)? {
    entries.first.map { ($0.time, $0.id, $0.slot) }
  }

  /// Enters the end of the flow in `slot`, or moves it.
  mutating func set(_ time: Instant, of id: FairSharing.FlowID, in slot: Int) {
    while positions.count <= slot { positions.append(-1) }
    let entry = Entry(time: time, id: id, slot: slot)
    if positions[slot] < 0 {
      entries.append(entry)
      rise(entry, from: entries.count - 1)
    } else {
      let position = positions[slot]
      entries[position] = entry
      rise(entry, from: position)
      sink(entry, from: positions[slot])
    }
  }

  mutating func removeFirst() {
    guard let first = entries.first else { return }
    positions[first.slot] = -1
    let last = entries.removeLast()
    if !entries.isEmpty { sink(last, from: 0) }
  }

  private mutating func put(_ entry: Entry, at position: Int) {
    entries[position] = entry
    positions[entry.slot] = position
  }

  private mutating func rise(_ entry: Entry, from start: Int) {
    var position = start
    while position > 0 {
      let parent = (position - 1) / 2
      guard entry.precedes(entries[parent]) else { break }
      put(entries[parent], at: position)
      position = parent
    }
    put(entry, at: position)
  }

  private mutating func sink(_ entry: Entry, from start: Int) {
    var position = start
    while true {
      var child = 2 * position + 1
      guard child < entries.count else { break }
      if child + 1 < entries.count, entries[child + 1].precedes(entries[child]) { child += 1 }
      guard entries[child].precedes(entry) else { break }
      put(entries[child], at: position)
      position = child
    }
    put(entry, at: position)
  }
}
