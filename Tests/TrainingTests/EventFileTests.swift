import Foundation
import Runs
import TestSupport
import Testing
import Training

/// Event files as TensorBoard reads them, decoded by a reader of their own.
@Suite struct EventFileTests: SmallRuns {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private enum Field {
    case number(UInt64)
    case bytes([UInt8])

    var content: [UInt8] { if case .bytes(let bytes) = self { bytes } else { [] } }
    var value: UInt64 { if case .number(let number) = self { number } else { 0 } }
  }

  /// The fields of a protocol buffer, in order.
  private func fields(_ bytes: [UInt8]) throws -> [(Int, Field)] {
    var rest = bytes[...]
    func take(_ count: Int) throws -> [UInt8] {
      try #require(rest.count >= count)
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
    func variable() throws -> UInt64 {
      var (value, shift) = (0 as UInt64, 0 as UInt64)
      while true {
        let byte = try take(1)[0]
        value |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return value }
        shift += 7
      }
    }
    var found: [(Int, Field)] = []
    while !rest.isEmpty {
      let key = try variable()
      switch key & 7 {
      case 0: found.append((Int(key >> 3), .number(try variable())))
      case 1: found.append((Int(key >> 3), .number(word(try take(8)))))
      case 2: found.append((Int(key >> 3), .bytes(try take(Int(try variable())))))
      case 5: found.append((Int(key >> 3), .number(word(try take(4)))))
      default: Issue.record("wire type \(key & 7)")
      }
    }
    return found
  }

  private func word(_ bytes: some Collection<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Bit by bit, from the polynomial as it is written in RFC 3720 (0x11EDC6F41), no table.
  private func checksum(_ bytes: [UInt8]) -> UInt32 {
    func reversed(_ value: UInt32) -> UInt32 {
      (0..<32).reduce(0) { $0 | (value >> UInt32($1) & 1) << UInt32(31 - $1) }
    }
    var sum = UInt32.max
    for byte in bytes {
      for bit in 0..<8 {
        let isSet = (sum >> 31 ^ UInt32(byte >> UInt8(bit) & 1)) == 1
        sum = isSet ? sum << 1 ^ 0x1EDC_6F41 : sum << 1
      }
    }
    return reversed(~sum)
  }

  private func masked(_ bytes: [UInt8]) -> UInt64 {
    let sum = checksum(bytes)
    return UInt64((sum >> 15 | sum << 17) &+ 0xA282_EAD8)
  }

  /// The records of a file, whose checksums are right.
  private func records(_ name: String) throws -> [[UInt8]] {
    var rest = Array(try contents(of: folder.file(name)))[...]
    var found: [[UInt8]] = []
    while !rest.isEmpty {
      let length = Array(rest.prefix(8))
      let count = Int(word(length))
      try #require(rest.count >= count + 16)
      #expect(word(rest.dropFirst(8).prefix(4)) == masked(length))
      let data = Array(rest.dropFirst(12).prefix(count))
      #expect(word(rest.dropFirst(12 + count).prefix(4)) == masked(data))
      found.append(data)
      rest = rest.dropFirst(16 + count)
    }
    return found
  }

  /// A file's events of steps: the step, and its numbers by tag.
  private func steps(_ name: String) throws -> [(step: Int, values: [String: Float])] {
    try records(name).compactMap { record in
      let event = try fields(record)
      guard let summary = event.first(where: { $0.0 == 5 })?.1 else { return nil }
      var values: [String: Float] = [:]
      for (_, value) in try fields(summary.content) {
        let parts = try fields(value.content)
        let tag = String(decoding: parts[0].1.content, as: UTF8.self)
        values[tag] = Float(bitPattern: UInt32(parts[1].1.value))
      }
      return (Int(event.first { $0.0 == 2 }?.1.value ?? 0), values)
    }
  }

  private func run(steps: Int) throws -> RunFile {
    try run([
      "steps: 3": "steps: \(steps)",
      "log: {": "log: {tensorboard: FOLDER/board, ",
    ])
  }

  /// The check value of CRC-32C (RFC 3720, section B.4: 32 bytes of zeros).
  @Test func theReadersChecksumIsCRC32C() {
    #expect(checksum(Array(repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(checksum(Array("123456789".utf8)) == 0xE306_9283)
  }

  /// Every step of the log with its numbers, behind a version and the beginning of a session.
  @Test func holdsTheNumbersOfTheLog() throws {
    try train(run(steps: 3), .anew)
    #expect(try names("board") == ["events.out.tfevents.0000000001.step-0000000000.sluice"])
    let name = "board/events.out.tfevents.0000000001.step-0000000000.sluice"
    let events = try records(name).map { try fields($0) }
    #expect(String(decoding: events[0][1].1.content, as: UTF8.self) == "brain.Event:2")
    #expect(events[0][0].0 == 1)
    // The opening event says of no step, which is step zero, and so does the session's of a new run.
    #expect(!events[0].contains { $0.0 == 2 } && events[1][1].1.value == 0)
    #expect(Double(bitPattern: events[0][0].1.value) > 1.7e9)
    #expect(events[1].map(\.0) == [1, 2, 7])
    #expect(try fields(events[1][2].1.content).map { $0.1.value } == [1])
    let steps = try steps(name)
    #expect(steps.map(\.step) == [1, 2, 3])
    let lines = try self.steps(of: "log.jsonl").map { line in
      try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
    for (step, line) in zip(steps, lines) {
      for (tag, key) in [
        ("loss/training", "loss"), ("optimizer/grad_norm", "grad_norm"),
        ("optimizer/learning_rate", "learning_rate"), ("speed/seconds", "seconds"),
      ] {
        let number = try #require(line[key] as? Double)
        #expect(step.values[tag] == Float(number), "\(tag) of step \(step.step)")
      }
    }
  }

  /// Going on makes a file of its own, from whose first step on TensorBoard drops what was there.
  @Test func goingOnBeginsAnotherFile() throws {
    try train(run(steps: 3), .anew)
    try train(run(steps: 5), .resuming)
    let names = try names("board")
    #expect(
      names.count == 2 && names[1] == "events.out.tfevents.0000000002.step-0000000003.sluice")
    #expect(try steps("board/\(names[1])").map(\.step) == [4, 5])
    let start = try fields(try records("board/\(names[1])")[1])
    #expect(start[1].1.value == 4)
    // And never another one's place.
    try train(run(steps: 5), .overwriting)
    #expect(try self.names("board").count == 3)
  }

  /// Names sort in the order in which the files were begun, whatever step they begin behind.
  @Test func namesAreInOrder() throws {
    var begun: [String] = []
    for round in 0..<12 {
      // Now from the beginning, now a step further.
      try train(run(steps: 1 + round % 2), round % 2 == 0 ? .overwriting : .resuming)
      let new = try names("board").filter { !begun.contains($0) }
      #expect(new.count == 1)
      begun += new
    }
    let all = try names("board").sorted()
    #expect(begun == begun.sorted() && begun == all)
    #expect(Set(begun.map(\.count)).count == 1)
  }
}
