import Checkpoints
import Documents
import Foundation
import Quantities
import TestSupport
import Testing

@Suite struct SafetensorsTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// A file with one tensor of each readable type, written by hand from the format's description.
  private func mixedFile() throws -> String {
    var data: [UInt8] = []
    var entries: [String] = []
    func add(_ name: String, _ type: String, _ shape: String, _ bytes: [UInt8]) {
      entries.append(
        "\"\(name)\": {\"dtype\": \"\(type)\", \"shape\": \(shape), "
          + "\"data_offsets\": [\(data.count), \(data.count + bytes.count)]}")
      data += bytes
    }
    add("single", "F32", "[2]", [0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC0])  // 1, -2.5
    add("half", "F16", "[1, 2]", [0x00, 0x3C, 0x01, 0x00])  // 1, 2^-24
    add("brain", "BF16", "[2]", [0x80, 0x3F, 0x40, 0xC0])  // 1, -3
    add("long", "I64", "[2]", [255, 255, 255, 255, 255, 255, 255, 255, 7, 0, 0, 0, 0, 0, 0, 0])
    add("int", "I32", "[]", [0xFE, 255, 255, 255])
    let header = Array(
      "{\"__metadata__\": {\"format\": \"pt\"}, \(entries.joined(separator: ", "))}".utf8)
    let length = (0..<8).map { UInt8(header.count >> (8 * $0) & 0xFF) }
    return try folder.write(length + header + data, to: "mixed.safetensors")
  }

  @Test func readsEveryType() throws {
    let file = try SafetensorsFile(path: mixedFile())
    #expect(try file.floats("single") == [1, -2.5])
    #expect(try file.floats("half") == [1, Float(sign: .plus, exponent: -24, significand: 1)])
    #expect(try file.floats("brain") == [1, -3])
    #expect(try file.integers("long") == [-1, 7])
    #expect(try file.integers("int") == [-2])
    #expect(file.tensor(named: "half")?.shape == [1, 2])
    #expect(file.tensor(named: "int")?.shape == [])
    #expect(file.metadata == ["format": "pt"])
    #expect(file.tensors.map(\.name) == ["single", "half", "brain", "long", "int"])
    #expect(try file.floats("single", in: 1..<2) == [-2.5])
    #expect(throws: CheckpointError.self) { try file.floats("long") }
    #expect(throws: CheckpointError.self) { try file.integers("half") }
    let missing = #expect(throws: CheckpointError.self) { try file.floats("other") }
    #expect(missing?.tensor == "other")
  }

  @Test func writesWhatItReads() throws {
    let path = folder.file("a.safetensors")
    let numbers: [String: [Float]] = [
      "b \"quoted\"": [1, 2, 3, 4, 5, 6], "a": [.nan], "empty": [],
    ]
    try SafetensorsWriter.write(
      [("b \"quoted\"", [2, 3]), ("a", [1]), ("empty", [0, 4])], to: path
    ) { numbers[$0] ?? [] }
    let file = try SafetensorsFile(path: path)
    #expect(file.tensors.map(\.name) == ["b \"quoted\"", "a", "empty"])
    #expect(try file.floats("b \"quoted\"") == [1, 2, 3, 4, 5, 6])
    #expect(try file.floats("a")[0].isNaN)
    #expect(try file.floats("empty") == [])
    #expect(try #require(file.tensors.first).bytes.lowerBound % 8 == 0)
    #expect(throws: CheckpointError.self) {
      try SafetensorsWriter.write([("a", [1])], to: path) { _ in [0] }
    }
  }

  @Test func cutAtEveryByteIsRefused() throws {
    let whole = try contents(of: mixedFile())
    for count in 0..<whole.count {
      let path = try folder.write(Array(whole[..<count]), to: "cut.safetensors")
      let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(path: path) }
      #expect(error?.kind == .damaged && error?.file == path)
    }
    let cut = try folder.write(Array(whole.dropLast(5)), to: "cut.safetensors")
    let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(path: cut) }
    #expect(error?.tensor == "long")
    let longer = try folder.write(whole + [0], to: "long.safetensors")
    #expect(throws: CheckpointError.self) { try SafetensorsFile(path: longer) }
  }

  @Test(arguments: [
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-4,4]}}"#,
    #"{"a":{"dtype":"Q9","shape":[2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    "[]", "3", "{", "nonsense", "",
  ])
  func brokenHeadersAreRefused(header: String) throws {
    let length = (0..<8).map { UInt8(header.utf8.count >> (8 * $0) & 0xFF) }
    let path = try folder.write(
      length + Array(header.utf8) + [UInt8](repeating: 0, count: 8), to: "broken.safetensors")
    let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(path: path) }
    #expect(error?.kind == .damaged)
  }

  @Test func randomDamageNeverCrashes() throws {
    let whole = try contents(of: mixedFile())
    var generator = SeededGenerator(seed: 20)
    var refused = 0
    for _ in 0..<300 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] =
          UInt8.random(in: 0...255, using: &generator)
      }
      let path = try folder.write(bytes, to: "damaged.safetensors")
      do throws(CheckpointError) {
        let file = try SafetensorsFile(path: path)
        for tensor in file.tensors {
          // Each is of one kind only; what it is not is refused.
          let floats = Result { () throws(CheckpointError) in try file.floats(tensor.name) }
          let integers = Result { () throws(CheckpointError) in try file.integers(tensor.name) }
          for count in [try? floats.get().count, try? integers.get().count] {
            #expect(count == nil || count == tensor.shape.reduce(1, *))
          }
        }
      } catch {
        refused += 1
        #expect(error.kind == .damaged && error.file == path, "\(error)")
      }
    }
    // Damage in the header is found, damage in the numbers is another number.
    #expect(refused > 30 && refused < 300)
  }

  @Test func whatIsNoFileIsRefused() throws {
    for path in [folder.path, folder.file("none"), "", "/dev/zero"] {
      let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(path: path) }
      #expect(error?.kind == .system)
    }
  }
}
