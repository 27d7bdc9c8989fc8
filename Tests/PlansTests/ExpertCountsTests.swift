import Documents
import Foundation
import Models
import Plans
import Testing

/// Counts of tokens by expert, in both forms, and every way in which a file can be wrong.
@Suite struct ExpertCountsTests {
  /// Layers 1 and 2 have 4 experts of which a token chooses 2; so has the prediction module, layer 3.
  static let model: Architecture = {
    let mixture = Mixture(routedExperts: 4, expertsPerToken: 2, expertWidth: 16)
    return Architecture(
      name: "tiny", family: .deepseekV3, hiddenSize: 32, layerCount: 3, vocabularySize: 64,
      maximumPositions: 16,
      attention: .latent(
        Latent(
          heads: 4, queryRank: 24, keyValueRank: 16, nopeHeadSize: 8, ropeHeadSize: 4,
          valueHeadSize: 8)),
      feedForwards: [
        .dense(width: 48, gated: true, bias: false), .mixture(mixture), .mixture(mixture),
      ], normalization: .rmsNorm(epsilon: 1e-6),
      position: .rotary(Rotary(theta: 10_000, layout: .interleaved)), tiedEmbeddings: false,
      multiTokenPrediction: 1)
  }()

  static func table(_ counts: [Int: [Int]]) -> String {
    var lines = ["layer,expert,tokens"]
    for layer in counts.keys.sorted() {
      lines += (counts[layer] ?? []).enumerated().map { "\(layer),\($0),\($1)" }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  static let good = [1: [4, 3, 2, 1], 2: [5, 5, 0, 0], 3: [2, 2, 2, 2]]

  private func read(_ text: String) throws(ConfigurationError) -> ExpertCounts {
    try ExpertCounts(text: text, name: "load", for: Self.model)
  }

  @Test func tablesAndMetricsSayTheSame() throws {
    let table = try read(Self.table(Self.good))
    let shuffled = try read(
      "tokens, layer, expert\r\n1,1,3\r\n4,1,0\r\n\r\n3,1,1\r\n2,1,2\r\n5,2,0\r\n5,2,1\r\n"
        + "0,2,2\r\n0,2,3\r\n2,3,0\r\n2,3,1\r\n2,3,2\r\n2,3,3")
    let line =
      #"{"step": 9, "expert_load": [{"layer": 1, "imbalance": 1.6, "counts": [4, 3, 2, 1]}, "#
      + #"{"layer": 2, "counts": [5, 5, 0, 0]}, {"layer": 3, "counts": [2, 2, 2, 2]}]}"#
    let metrics = try read("{\"step\": 8, \"loss\": null}\n\(line)\n\n")
    #expect(table == shuffled && table == metrics)
    // A run that was resumed, and again, and made no step says only what it is.
    let header = #"{"run": "a1b2", "after_step": 9, "inputs": {"seed": 3}}"#
    #expect(try read("\(header)\n\(line)\n\(header)\n") == table)
    #expect(try read("\(header)\n\(line)\n\(header)\n\(header)\n") == table)
    for (layer, counts) in Self.good { #expect(table[layer: layer] == counts) }
  }

  static let broken: [(text: String, message: String)] = [
    ("", "load: is empty"), ("\n \n", "load: is empty"),
    ("layer,expert\n", "load:1: column tokens is missing"),
    ("layer,expert,expert\n", "load:1: \"expert\": column is there twice"),
    ("layer,export,tokens\n", "did you mean expert?"),
    ("layer,expert,tokens\n1,0\n", "load:2: has 2 cells and the first line 3 columns"),
    ("layer,expert,tokens\n1,0,-4\n", "load:2: tokens: \"-4\": expected a whole number"),
    ("layer,expert,tokens\n1,0,4.5\n", "load:2: tokens: \"4.5\": expected a whole number"),
    ("layer,expert,tokens\n1,0,\n", "load:2: tokens: \"\": expected a whole number"),
    ("layer,expert,tokens\n1,0,99999999999999999999\n", "expected a whole number from 0 to"),
    ("layer,expert,tokens\n0,0,1\n", "load:2: layer: \"0\": is no layer with routed experts"),
    ("layer,expert,tokens\n1,4,1\n", "load:2: expert: \"4\": layer 1 has experts 0 to 3"),
    ("layer,expert,tokens\n1,0,1\n1,0,1\n", "load:3: expert: \"0\": is given twice for layer 1"),
    (
      "layer,expert,tokens\n1,0,1\n", "load:2: layer 1 has counts of 1 experts and the model 4"
    ),
    (table([1: [1, 1, 1, 1], 2: [1, 1, 1, 1]]), "load: has no counts of layer 3"),
    (
      table([1: [1, 1, 1, 1], 2: [0, 0, 0, 0], 3: [1, 1, 1, 1]]),
      "load:9: layer 2 has no token at all"
    ),
    (
      table([1: [7, 2, 2, 2], 2: [1, 1, 1, 1]]), "expert 0 has more than 1/2 of the layer's counts"
    ),
    ("{\"step\": 1}\n", "load:1: the last line has no key expert_load"),
    ("{\"step\": 1, \"expert_loads\": []}\n", "did you mean expert_loads?"),
    ("{\n\"expert_load\": []}", "load:2: "),
    ("{\"expert_load\": [{\"layer\": 1, \"counts\": [1, 1, 1]}]}", "counts of 3 experts"),
    (
      "{}\n{\"expert_load\": [{\"layer\": 1, \"counts\": [1, -1, 1, 1]}]}",
      "load:2: expert_load[0].counts[1]: \"-1\": "
    ),
    ("{}\n{\"expert_load\": [{\"layer\": 7, \"counts\": [1]}]}", "load:2: expert_load[0].layer"),
    ("{\"expert_load\": [{\"layer\": 1, ", "load:2: is not valid YAML or JSON while parsing"),
    ("\u{1}\u{2}", "load:1: "),
  ]

  @Test(arguments: broken) func aBrokenFileIsRefused(_ text: String, _ message: String) throws {
    let error = try #require(throws: ConfigurationError.self) { _ = try read(text) }
    #expect(error.description.contains(message), "\(error)")
  }

  @Test func aFileThatIsNotThereIsRefused() {
    for path in ["/nowhere/counts.csv", "/tmp"] {
      let error = #expect(throws: ConfigurationError.self) {
        _ = try ExpertCounts(file: path, for: Self.model)
      }
      #expect(error?.file == path)
    }
  }

  /// Bytes changed at random are read or refused, never more.
  @Test func mutatedFilesNeverCrash() {
    let bytes = Array(Self.table(Self.good).utf8)
    var state: UInt64 = 7
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    var refused = 0
    for _ in 0..<500 {
      var changed = bytes
      for _ in 0...next(4) { changed[next(changed.count)] = UInt8(next(256)) }
      do throws(ConfigurationError) {
        _ = try read(String(decoding: changed, as: UTF8.self))
      } catch {
        refused += 1
        #expect(error.file == "load" && !error.description.contains("\n"), "\(error)")
      }
    }
    // A digit may become another digit.
    #expect(refused > 250 && refused < 500)
  }
}
