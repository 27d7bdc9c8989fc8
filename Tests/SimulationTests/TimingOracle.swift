import Foundation

/// When the actions of a schedule end, worked out apart from the engine, the schedules' types and the
/// simulation: the longest way through a graph of everything that has to wait for something else.
///
/// The graph is made of the text of a lowered schedule. A message moves when both ends have come to it, and
/// takes what it takes. Outside groups, an action waits for what was received for it, and a send for the one
/// before it to the same rank in the same direction; a group is over when all of its messages are.
struct TimingOracle {
  /// What a cell's action takes: of one action its letter, stage and microbatch, of a pair both.
  typealias Duration = (_ actions: [(pass: Character, stage: Int, microbatch: Int)]) -> Int64

  /// When each action ends, by the text of its cell.
  private(set) var ends: [String: Int64] = [:]

  private var edges: [(from: Int, to: Int, weight: Int64)] = []
  private var nodes = 0
  private var owners: [[Int]: Int] = [:]
  /// The ends of messages and what comes to each of them, by boundary, receiving stage and microbatch.
  private var messages: [String: Int] = [:]

  init(_ csv: String, message: Int64, _ duration: Duration) {
    let rows = csv.split(separator: "\n").map { row in
      row.split(separator: ",").map(String.init)
    }
    for (rank, row) in rows.enumerated() {
      for cell in row { for action in Self.actions(cell) { owners[[action.1, action.2]] = rank } }
    }
    var actions: [(text: String, node: Int)] = []
    for row in rows { actions += add(row, message, duration) }
    let times = longestWays()
    for action in actions { ends[action.text] = times[action.node] }
  }

  /// `2F0` or `(0F7;3B5)OVERLAP_F_B` taken apart; nothing of other cells.
  private static func actions(_ cell: String) -> [(pass: Character, stage: Int, microbatch: Int)] {
    if cell.contains("SEND") || cell.contains("RECV") || cell == "COMMIT" { return [] }
    let plain = cell.replacingOccurrences(of: ")OVERLAP_F_B", with: "").drop { $0 == "(" }
    return plain.split(separator: ";").compactMap { part in
      guard let letter = part.first(where: \.isLetter) else { return nil }
      let numbers = part.split(separator: letter).compactMap { Int($0) }
      return (letter, numbers[0], numbers[1])
    }
  }

  private mutating func node() -> Int {
    nodes += 1
    return nodes - 1
  }

  private mutating func end(ofMessage key: String) -> Int {
    if let known = messages[key] { return known }
    let made = node()
    messages[key] = made
    return made
  }

  /// The nodes and edges of a rank; gives the nodes of its actions.
  private mutating func add(
    _ row: [String], _ message: Int64, _ duration: Duration
  ) -> [(text: String, node: Int)] {
    var made: [(text: String, node: Int)] = []
    let isGrouped = row.contains("COMMIT")
    var last = node()
    var group: [Int] = []
    var sends: [String: Int] = [:]
    for cell in row {
      let here = node()
      edges.append((last, here, 0))
      if cell == "COMMIT" {
        for message in group { edges.append((message, here, 0)) }
        group = []
      } else if cell.contains("SEND") || cell.contains("RECV") {
        let isSend = cell.contains("SEND")
        let boundary = cell.contains("_F") ? "F" : "B"
        let numbers = cell.split { !$0.isNumber }.compactMap { Int($0) }
        let next = numbers[0] + (boundary == "F" ? 1 : -1)
        let key = "\(boundary) \(isSend ? next : numbers[0]) \(numbers[1])"
        let end = end(ofMessage: key)
        edges.append((here, end, message))
        if isGrouped {
          group.append(end)
        } else if isSend, let peer = owners[[next, numbers[1]]] {
          if let before = sends["\(boundary) \(peer)"] { edges.append((before, here, 0)) }
          sends["\(boundary) \(peer)"] = end
        }
      } else {
        let parts = Self.actions(cell)
        for part in parts where !isGrouped && part.pass != "W" {
          let key = "\(part.pass == "F" ? "F" : "B") \(part.stage) \(part.microbatch)"
          if let end = messages[key] { edges.append((end, here, 0)) }
        }
        let end = node()
        edges.append((here, end, duration(parts)))
        made.append((cell, end))
        last = end
        continue
      }
      last = here
    }
    return made
  }

  /// The longest way to every node: every edge is followed until nothing changes.
  private func longestWays() -> [Int64] {
    var times = [Int64](repeating: 0, count: nodes)
    var rounds = 0
    var hasChanged = true
    while hasChanged {
      precondition(rounds <= nodes, "The schedule waits in a circle.")
      rounds += 1
      hasChanged = false
      for edge in edges where times[edge.from] + edge.weight > times[edge.to] {
        times[edge.to] = times[edge.from] + edge.weight
        hasChanged = true
      }
    }
    return times
  }
}
