import Clusters
import Documents
import TestSupport
import Testing

/// Mutated descriptions never end the program and never take long: they are read or refused.
@Suite struct MutationTests {
  static let tokens = [
    "[", "]", "{", "}", ":", "- ", "&a ", "*a", "|", ">", "'", "\"", "#", "%", "@", "!", "!!int ",
    "\t", "\n", "  ", "---\n", "...\n", "~", "null", "-1", "1e999", "nan", "0",
    "9223372036854775808",
    "\u{0}", "é", "\u{2028}", "<<: ", "? ", ",", "GB/s", "B/s", "Gb/s", "source: x", "value: ",
  ]

  @Test(arguments: Array(Cluster.shippedNames.enumerated()))
  func mutations(seed: Int, name: String) throws {
    let original = Array(try #require(Cluster.shippedText(name)).utf8)
    var generator = SplitMix64(state: UInt64(seed) &+ 77)
    let rounds = 300
    var accepted = 0
    var slowest = 0.0
    for _ in 0..<rounds {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &generator) { mutate(&bytes, &generator) }
      slowest = max(
        slowest,
        processorSeconds {
          do throws(ConfigurationError) {
            let cluster = try Cluster(try Document(bytes: bytes, name: "mutated.yaml"))
            accepted += 1
            let last = cluster.rankCount - 1
            #expect(cluster.path(from: 0, to: last).hops.count <= 8)
          } catch {
            #expect(!error.description.contains("\n"))
            #expect(
              error.description.hasPrefix("mutated.yaml") || error.line != nil,
              "\(error.description)")
          }
        })
    }
    #expect(slowest < 1, "seed \(seed)")
    #expect(accepted > 0, "no mutation was harmless: the test does not reach the reader")
    #expect(accepted < rounds)
  }

  private func mutate(_ bytes: inout [UInt8], _ generator: inout SplitMix64) {
    guard !bytes.isEmpty else { return }
    let place = Int.random(in: 0..<bytes.count, using: &generator)
    switch Int.random(in: 0..<8, using: &generator) {
    case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
    case 1: bytes.remove(at: place)
    case 2: bytes.removeSubrange(place..<min(bytes.count, place + 40))
    case 3:
      let copy = bytes[place..<min(bytes.count, place + 200)]
      bytes.insert(contentsOf: copy, at: Int.random(in: 0..<bytes.count, using: &generator))
    case 4: bytes.removeSubrange(place...)
    case 5:
      // A digit for a digit: most such files are still valid, with other values.
      if let digit = bytes[place...].firstIndex(where: { (0x30...0x39).contains($0) }) {
        bytes[digit] = UInt8.random(in: 0x30...0x39, using: &generator)
      }
    default:
      let token = Self.tokens.randomElement(using: &generator) ?? ""
      bytes.insert(contentsOf: Array(token.utf8), at: place)
    }
  }
}
