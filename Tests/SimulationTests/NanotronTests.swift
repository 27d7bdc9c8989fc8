import Clusters
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// What PyTorch's operators keep and what nanotron holds, in bytes of a model of two gated layers.
@Suite struct NanotronTests {
  private static let tokens = 256
  private static let (layers, hidden, width, vocabulary) = (2, 4_096, 14_336, 128_256)

  private static func step(_ more: String...) throws -> PlannedStep {
    let plan = ["global-batch: 4", "sequence-length: \(tokens)"] + more
    return try PlannedStep(
      architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=\(layers)"]),
      cluster: .shipped("h800-2048"),
      plan: .read(Document(text: plan.joined(separator: "\n"), name: "plan"), name: "plan"))
  }

  /// Bytes of all buffers of a name that a microbatch keeps from its forward to its backward.
  private static func kept(_ name: String, in stage: StageProgram) -> Int {
    stage.buffers.reduce(0) { sum, buffer in
      guard buffer.name == name, buffer.scope == .microbatch, case .fixed(let rows) = buffer.rows
      else { return sum }
      return sum + rows * buffer.bytesPerRow
    }
  }

  /// Each gated unit keeps its activated gate in 16 bits, each norm its row in 32 bits and normed in 16.
  ///
  /// A layer has one unit and two norms, the head another norm. Kernels written for each keep neither.
  @Test(arguments: [
    ("execution: eager", true, true), ("framework: nanotron", true, false),
    ("execution: fused", false, false), ("execution: compiled", false, false),
  ])
  func operatorsKeepWhatTheyWrite(plan: String, keepsGates: Bool, keepsRows: Bool) throws {
    let stage = try Self.step(plan).input.stages[0]
    let gates = Self.layers * Self.tokens * Self.width
    let rows = (2 * Self.layers + 1) * Self.tokens * Self.hidden
    #expect(Self.kept("activated gate", in: stage) == (keepsGates ? 2 * gates : 0))
    #expect(Self.kept("row in 32 bits", in: stage) == (keepsRows ? 4 * rows : 0))
    #expect(Self.kept("row normed", in: stage) == (keepsRows ? 2 * rows : 0))
    // A norm's backward reads them in place of the row as it came.
    let norms = stage.backward.operations.filter {
      if case .norm = $0.kernel { true } else { false }
    }
    #expect(norms.count == 2 * Self.layers + 1)
    for norm in norms {
      let wide = norm.inputs.filter { stage.buffers[Int($0.index)].columns == Self.hidden }
      let names = norm.inputs.map { stage.buffers[Int($0.index)].name }
      #expect(names.contains("row in 32 bits") == keepsRows)
      #expect(names.contains("row normed") == keepsRows)
      // The gradient and the gain, with two rows or one.
      #expect(wide.count == (keepsRows ? 4 : 3), "\(names)")
    }
  }

  /// Autograd gives a formed gradient back when it is added; nanotron keeps all of them until the backward has
  /// ended.
  @Test(arguments: [("nanotron", true), ("torchtitan", false)])
  func formedGradientsStay(framework: String, untilTheEnd: Bool) throws {
    let stage = try Self.step("framework: \(framework)").input.stages[0]
    let steps = stage.backward.steps
    let last = try #require(
      steps.lastIndex { if case .compute = $0 { true } else { false } })
    let releases = steps.indices.filter { place in
      guard case .release(let id) = steps[place] else { return false }
      return stage.buffers[Int(id.index)].name.hasSuffix(" gradient, formed")
    }
    // Four products of each layer, the head's, and the embedding's table.
    #expect(releases.count == 4 * Self.layers + 2)
    #expect(releases.count { $0 > last } == (untilTheEnd ? releases.count : 1))
  }

  /// Room for every trained parameter's gradient in 16 bits, where there is another replica.
  @Test func bucketsOfDataRanks() throws {
    func bytes(_ more: String...) throws -> Int? {
      let plan = (["framework: nanotron"] + more).joined(separator: "\n")
      return try Self.step(plan).report().memory.workspace
        .first { $0.name == "buckets of data ranks" }?.bytes
    }
    // Queries and output, keys and values of 8 heads, three matrices of the gated unit, two gains.
    let layer =
      2 * Self.hidden * Self.hidden + 2 * 1_024 * Self.hidden + 3 * Self.width * Self.hidden
      + 2 * Self.hidden
    let table = Self.vocabulary * Self.hidden
    let all = Self.layers * layer + 2 * table + Self.hidden
    #expect(try bytes("data-parallel: 2") == 2 * all)
    #expect(try bytes("data-parallel: 2", "frozen: [embedding]") == 2 * (all - table))
    #expect(try bytes("data-parallel: 1") == nil)
  }
}
