import Clusters
import Documents
import Models
import Plans
import Simulation
import Testing

/// A plan names the library of attention.
@Suite struct AttentionLibraryTests {
  private func step(
    _ words: String, on cluster: String = "h100-2048", heads overrides: [String] = []
  ) throws -> PlannedStep {
    let cluster = try Cluster.shipped(cluster, overrides: ["nodes=1"])
    let document = try Document(
      text: """
        data-parallel: 8
        zero-stage: 1
        global-batch: 8
        sequence-length: 8192
        \(words)
        """, name: "plan.yaml")
    let plan = try Plan.read(document, name: "plan", world: .devices(cluster.rankCount))
    let architecture = try Architecture.named(
      "llama-3.1-8b", overrides: ["num_hidden_layers=2"] + overrides)
    return try PlannedStep(architecture: architecture, cluster: cluster, plan: plan)
  }

  private func seconds(_ words: String) throws -> Double {
    try step(words).report().stepSeconds
  }

  @Test func librariesDiffer() throws {
    let usual = try seconds("")
    #expect(try seconds("attention-library: cudnn") == usual)
    #expect(try seconds("attention-library: flash-2") > usual)
    let unfused = try seconds("attention-library: unfused")
    #expect(try seconds("fused-attention: false") == unfused)
    #expect(unfused > usual)
  }

  /// Both words for one thing are one too many, whatever they say.
  @Test(arguments: ["true", "false"]) func bothWordsAreRefused(fused: String) {
    let error = #expect(throws: ConfigurationError.self) {
      try step("attention-library: unfused\nfused-attention: \(fused)")
    }
    #expect(error?.keyPath == "fused-attention")
    #expect(error?.rule.contains("exclude each other") == true)
  }

  /// A library that the cluster's file does not describe is refused, with those that it does.
  @Test func anUnknownLibraryIsRefused() throws {
    let error = #expect(throws: PlanError.self) {
      try step("attention-library: cudnn", on: "a100-selene")
    }
    #expect("\(try #require(error))".contains("there is flash-2, triton, unfused"))
  }

  /// Heads wider than a library's kernels take are refused, also by the one that nobody named.
  @Test func tooWideHeadsAreRefused() throws {
    for (words, widest) in [
      ("", 256), ("attention-library: flash-3", 256), ("attention-library: triton", 128),
    ] {
      let fits = ["head_dim=\(widest)"]
      #expect(try step(words, heads: fits).report().stepSeconds > 0)
      let error = #expect(throws: PlanError.self) {
        try step(words, heads: ["head_dim=\(widest + 8)"])
      }
      #expect("\(try #require(error))".contains("heads of up to \(widest)"))
    }
    #expect(
      try step("attention-library: unfused", heads: ["head_dim=512"]).report().stepSeconds > 0)
  }

  /// No library has kernels for 32 bits: named ones are refused, and what is left is unfused or not named.
  @Test(arguments: ["float32", "tf32"], ["flash-2", "flash-3", "cudnn", "triton"])
  func noLibraryHasKernelsForWideNumbers(precision: String, library: String) throws {
    let error = #expect(throws: PlanError.self) {
      try step("precision: \(precision)\nattention-library: \(library)")
    }
    let text = "\(try #require(error))"
    #expect(text.contains("attention-library \(library) has no kernels"), "\(text)")
    #expect(text.contains(precision) && text.contains("unfused"), "\(text)")
  }

  /// Without a name the kernels are PyTorch's, which keep no square; what the program decided can be read again.
  @Test(arguments: ["float32", "tf32"]) func wideAttentionHasNoLibrary(precision: String) throws {
    let usual = try step("precision: \(precision)")
    #expect(usual.decidedPlan.attentionLibrary == nil)
    let narrow = try step("precision: {base: \(precision), attention-operands: float32}")
    #expect(narrow.decidedPlan.attentionLibrary == nil)
    let unfused = try step("precision: \(precision)\nattention-library: unfused")
    #expect(unfused.report().memory.activations > usual.report().memory.activations)
  }

  /// A printed plan reads as the same plan.
  @Test(arguments: ["flash-3", "unfused"]) func aPrintedPlanReadsAsTheSame(library: String) throws {
    let plan = try step("attention-library: \(library)").placed.plan
    let again = try Plan.read(
      Document(text: plan.yaml, name: "again.yaml"), name: plan.name, world: .devices(8))
    #expect(again.attentionLibrary == plan.attentionLibrary)
    #expect(again.fusedAttention == plan.fusedAttention)
  }
}
