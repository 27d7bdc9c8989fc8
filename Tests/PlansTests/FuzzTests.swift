import Documents
import Models
import Plans
import Testing

@Suite("Damaged plan files")
struct PlanFuzzTests {
  /// A damaged file is refused in one line, or gives a plan that is placed or refused in one line.
  @Test(arguments: Plan.shippedNames)
  func damagedFilesNeverEndTheProgram(name: String) throws {
    let text = try #require(Plan.shippedText(named: name))
    let model = try Architecture.named("deepseek-v3")
    var random = SplitMix64(state: UInt64(name.utf8.reduce(17) { $0 * 31 % 65_521 + Int($1) }))
    var refused = 0
    for _ in 0..<60 {
      let bytes = mutated(text, using: &random)
      do {
        let plan = try Plan.read(
          Document(bytes: bytes, name: "p.yaml"), name: "p", world: .devices(4096))
        #expect(try Plan.read(Document(text: plan.yaml, name: "q"), name: "q") == plan)
        // Long schedules are made elsewhere; here the rules matter.
        if plan.microbatchCount > 1000 { continue }
        _ = try plan.validated(for: model, on: .devices(4096))
      } catch let error as ConfigurationError {
        refused += 1
        #expect(!error.description.contains("\n") && !error.rule.isEmpty)
      } catch let error as PlanError {
        refused += 1
        #expect(!error.description.contains("\n"))
      }
    }
    #expect(refused > 15)
  }
}

/// Sebastiano Vigna's SplitMix64: the same numbers from the same seed.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// A file with one to four faults: bytes changed, lines lost or doubled, values replaced.
func mutated(_ text: String, using random: inout SplitMix64) -> [UInt8] {
  var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  let values = [
    "0", "-1", "1", "2", "3", "7", "1048576", "9223372036854775807", "99999999999999999999",
    "1e308",
    "nan", "null", "true", "[]", "{}", "[1, 2]", "\"\"", "&a x", "*a", "~", "0x10", "1_000", "é",
  ]
  for _ in 0..<Int.random(in: 1...4, using: &random) {
    let line = Int.random(in: 0..<lines.count, using: &random)
    switch Int.random(in: 0..<5, using: &random) {
    case 0: lines.insert(lines[line], at: line)
    case 1: if lines.count > 1 { lines.remove(at: line) }
    case 2, 3:
      guard let colon = lines[line].firstIndex(of: ":") else { break }
      let comma = lines[line].hasSuffix(",") ? "," : ""
      let value = values.randomElement(using: &random) ?? ""
      lines[line] = "\(lines[line][...colon]) \(value)\(comma)"
    default:
      var bytes = Array(lines[line].utf8)
      guard !bytes.isEmpty else { break }
      bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(
        in: 32...126, using: &random)
      lines[line] = String(decoding: bytes, as: UTF8.self)
    }
  }
  var bytes = Array(lines.joined(separator: "\n").utf8)
  if Int.random(in: 0..<10, using: &random) == 0 {
    bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
  }
  if Int.random(in: 0..<10, using: &random) == 0, !bytes.isEmpty {
    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(
      in: 0...255, using: &random)
  }
  return bytes
}
