/// A file with one to four faults: bytes changed, lines lost or doubled, values replaced.
public func mutated(_ text: String, using random: inout SplitMix64) -> [UInt8] {
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
