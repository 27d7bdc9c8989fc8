import Foundation
import Models
import Testing

/// What is known of a file in `Fixtures/families`.
struct KnownTotal: Sendable, CustomTestStringConvertible {
  var name: String
  var parameters: Int

  var testDescription: String { name }

  static let all: [KnownTotal] = {
    let text =
      (try? String(contentsOfFile: fixture("families/expected.csv"), encoding: .utf8)) ?? ""
    return text.split(separator: "\n").dropFirst().compactMap { line in
      let cells = line.split(separator: ",")
      return Int(cells[1]).map { KnownTotal(name: String(cells[0]), parameters: $0) }
    }
  }()
}

let familyNames = KnownTotal.all.map(\.name)

@Suite("Totals of every family, counted by others")
struct FamilyTests {
  @Test(arguments: KnownTotal.all) func totalsAreExact(known: KnownTotal) throws {
    let model = try Architecture.named(fixture("families/\(known.name).json"))
    #expect(model.parameterCounts.total == known.parameters)
    #expect(model.activatedParameterCounts.total <= known.parameters)
    for unit in model.units {
      if case .layer(let index) = unit, index > 0, model.layers[index] == model.layers[index - 1] {
        continue
      }
      let listed = model.parameters(of: unit)
        .filter { $0.isTrained && $0.sharedWith == nil }
        .reduce(0) { $0 + $1.count }
      #expect(model.parameterCounts(of: unit).total == listed, "\(unit)")
    }
  }

  /// Every family has a file whose total is known, there or among those that ship and are held against
  /// published figures.
  @Test func noFamilyIsWithout() throws {
    #expect(KnownTotal.all.count > 45)
    var without = Set(Architecture.Family.allCases)
    for known in KnownTotal.all {
      without.remove(try Architecture.named(fixture("families/\(known.name).json")).family)
    }
    for name in [
      "llama-3.1-8b", "mixtral-8x7b", "deepseek-v2", "deepseek-v3", "qwen2.5-7b", "kimi-k2",
    ] {
      without.remove(try Architecture.named(name).family)
    }
    // The oldest Hunyuan has its newer relatives' parts but for keys and values that layers share; what has
    // the words of Megatron is written by `import` and counted with its jobs.
    #expect(without == [.hunyuan, .megatron])
  }

  /// DeepSeek-V3: what is counted apart.
  @Test func correctionBiasesAreCountedApart() throws {
    let counts = try Architecture.named("deepseek-v3").parameterCounts
    #expect(counts.total == 671_026_404_352 && counts.correctionBiases == 58 * 256)
  }

  /// A state is written and read by each token: 4 · heads · width · state FLOPs forward, 6 of the delta rule.
  @Test func statesCountInFLOPs() throws {
    let hybrid = try Architecture.named("nemotron-h-8b")
    let flops = hybrid.trainingFlops(sequence: 8192, causal: true)
    #expect(flops.recurrent == 24 * 3 * 4 * 128 * 64 * 128)
    #expect(flops.attention == 4 * 6 * 32 * 2 * 128 * 8192 / 2)
    let delta = try Architecture.named("qwen3-next-80b-a3b")
    let own = delta.trainingFlops(sequence: 8192, causal: true)
    #expect(own.recurrent == 36 * 3 * 6 * 32 * 128 * 128)
    #expect(delta.cachedBytesPerToken() == 12 * 2 * 2 * 256 * 2)
  }

  /// Pairs by brute force, a row counting half of its own pair: windows, chunks, choices.
  @Test(arguments: [1, 2, 5, 8, 13]) func pairsWithinReach(width: Int) {
    let keys = 13
    func pairs(_ meets: (Int, Int) -> Bool) -> Double {
      var sum = 0.0
      for query in 0..<keys {
        for key in 0...query where meets(query, key) { sum += key == query ? 0.5 : 1 }
      }
      return sum
    }
    #expect(Reach.all.causalPairs(keys) == pairs { _, _ in true })
    // A query that meets w keys meets its own and w − 1 before it; the last of them counts half.
    let window = pairs { $0 - $1 < width }
    #expect(abs(Reach.window(width).causalPairs(keys) - window - 0.5 * Double(keys - width)) < 1e-9)
    #expect(Reach.chosen(width).causalPairs(keys) == Reach.window(width).causalPairs(keys))
    #expect(Reach.chunk(width).causalPairs(keys) == pairs { $0 / width == $1 / width })
  }

  /// Spellings of names.
  @Test(arguments: [
    ("meta-llama/Llama-3.1-70B", "llama-3.1-70b"), ("llama3-70b", "llama-3-70b"),
    ("meta-llama/Meta-Llama-3-8B-Instruct", "llama-3-8b"), ("Qwen/Qwen3-8B", "qwen3-8b"),
    ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b"), ("DeepSeek-V3", "deepseek-v3"),
    ("deepseek-ai/DeepSeek-R1-0528", "deepseek-r1"), ("openai/gpt-oss-20b", "gpt-oss-20b"),
    ("meta-llama/Llama-2-7b-chat-hf", "llama-2-7b"), ("google/gemma-3-27b-it", "gemma-3-27b"),
    ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b"),
    ("mistralai/Mistral-7B-v0.3", "mistral-7b"), ("zai-org/GLM-4.5-Air", "glm-4.5-air"),
    ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.1-70b"),
  ])
  func namesAsPeopleWriteThem(spelling: String, name: String) throws {
    #expect(try Architecture.named(spelling) == Architecture.named(name))
  }

  @Test func otherRepositoriesAreNotGuessed() {
    #expect(throws: (any Error).self) { try Architecture.named("meta-llama/Llama-3.1-7B") }
    #expect(throws: (any Error).self) { try Architecture.named("someone/merge") }
  }
}
