import Documents
import Models
import Plans
import TestSupport
import Testing

import Launchers
import Validation

/// What is exported and imported again is what it was; what is imported is what was described by hand.
@Suite struct RoundTripTests {
  private func again(
    _ job: ImportedJob, as target: LauncherExport.Target
  ) throws -> (job: ImportedJob, unsaid: [String]) {
    let config = try Document(text: job.model, name: "config.json")
    let export = try LauncherExport(
      ImportTests.plan(job), model: config, ImportTests.model(job), to: target)
    return (try ImportTests.job(export.text, ranks: export.ranks), export.unsaid)
  }

  private func expectEqual(
    _ first: ImportedJob, _ second: ImportedJob, saysRecomputation: Bool = true,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    var (one, two) = (try ImportTests.plan(first), try ImportTests.plan(second))
    let models = (try ImportTests.model(first), try ImportTests.model(second))
    #expect(
      models.0.parameterCounts.total == models.1.parameterCounts.total, sourceLocation: location)
    // Layers and units say the same layout.
    let layouts = (try one.validated(for: models.0).layout, try two.validated(for: models.1).layout)
    #expect(layouts.0 == layouts.1, sourceLocation: location)
    (one.name, two.name) = ("", "")
    (one.layout, two.layout) = (.even, .even)
    // Megatron recomputes activations of experts alone, not of the dense layers beside them.
    if !saysRecomputation { two.recomputation = one.recomputation }
    #expect(one == two, sourceLocation: location)
  }

  /// Every one of Megatron-LM's own tests whose model a family of this program has.
  @Test func megatronsOwnTests() throws {
    let text = String(
      decoding: PublishedTable.testArguments, as: UTF8.self)
    let document = try Document(text: text, name: "tests.json")
    var read = 0
    for name in try document.table(toleratesUnknownKeys: true).keys {
      let job: ImportedJob
      do { job = try ImportTests.job(text, job: name) } catch {
        // Latents without norms: no family has them.
        #expect("\(error)".contains("are not described"), "\(name): \(error)")
        continue
      }
      #expect(job.objection == nil, "\(name): \(job.objection ?? "")")
      #expect(!job.options.contains { $0.sense == .unknown }, "\(name)")
      let (second, unsaid) = try again(job, as: .megatron)
      try expectEqual(
        job, second, saysRecomputation: !unsaid.contains { $0.hasPrefix("recompute") })
      read += 1
    }
    #expect(read >= 54)
  }

  /// The reader against what Validation describes of these tests by hand, in what decides memory.
  @Test func megatronsOwnTestsAreWhatWasDescribed() throws {
    let text = String(
      decoding: PublishedTable.testArguments, as: UTF8.self)
    let files = try PublishedFiles()
    var seen: Set<String> = []
    for run in DescribedRun.megatronTests {
      let name = String(run.name.prefix { $0 != " " })
      guard case .success(let described) = run.run, run.name.hasSuffix(" H100"),
        seen.insert(name).inserted
      else { continue }
      let known = try files.planned(described)
      let job = try ImportTests.job(text, ranks: known.plan.worldSize, job: name)
      let (plan, hand) = (try ImportTests.plan(job), known.plan)
      #expect(
        try ImportTests.model(job).parameterCounts.total
          == known.architecture.parameterCounts.total, "\(name)")
      func same<Value: Equatable>(_ path: KeyPath<Plan, Value>, _ what: String) {
        #expect(plan[keyPath: path] == hand[keyPath: path], "\(name): \(what)")
      }
      same(\.dataParallel, "dp")
      same(\.tensorParallel, "tp")
      same(\.sequenceParallel, "sp")
      same(\.pipelineParallel, "pp")
      same(\.contextParallel, "cp")
      same(\.stagesPerRank, "vpp")
      same(\.microbatchSize, "microbatch")
      same(\.globalBatch, "batch")
      same(\.sequenceLength, "length")
      same(\.zeroStage, "zero")
      same(\.recomputation, "recompute")
      same(\.fusedAttention, "attention")
      same(\.loss, "loss")
      same(\.dropout, "dropout")
      same(\.fusesGradientSums, "fusion")
      same(\.framework, "framework")
      same(\.precision.activations, "activations")
      same(\.precision.moments, "moments")
      same(\.schedule, "schedule")
    }
    #expect(seen.count >= 10)
  }

  @Test func arguments() throws {
    for (name, ranks) in [("gpt.sh", 1024), ("recipe.py.txt", 1024)] {
      let job = try ImportTests.job(ImportTests.fixture(name), ranks: ranks)
      let (second, unsaid) = try again(job, as: .megatron)
      try expectEqual(job, second)
      #expect(unsaid.count == 1, "\(unsaid)")
    }
  }

  @Test func torchtitansTOML() throws {
    for flavour in ["8B", "70B"] {
      for more in [
        "", "[compile]\nenable = true\n", "[activation_checkpoint]\nmode = \"full\"\n",
        "[activation_checkpoint]\nmode = \"none\"\n[parallelism]\ntensor_parallel_degree = 4\n"
          + "enable_async_tensor_parallel = true\n",
        "[parallelism]\npipeline_parallel_degree = 2\npipeline_parallel_schedule = "
          + "\"Interleaved1F1B\"\n[activation_checkpoint]\nmode = \"none\"\n",
        "[parallelism]\ndata_parallel_replicate_degree = 2\ncontext_parallel_degree = 2\n",
      ] {
        let text = "[model]\nflavor = \"\(flavour)\"\n[training]\nlocal_batch_size = 8\n" + more
        let job = try ImportTests.job(text, ranks: 16)
        let (second, unsaid) = try again(job, as: .torchtitan)
        try expectEqual(job, second)
        #expect(unsaid.count == 1, "\(unsaid)")
      }
    }
  }

  /// Without a flavour torchtitan would train its own small model.
  @Test func sizesWithoutAFlavourAreRefused() throws {
    let job = try ImportTests.job(ImportTests.fixture("gpt.sh"), ranks: 1024)
    let error = try #require(throws: ConfigurationError.self) { try again(job, as: .torchtitan) }
    #expect(error.rule.contains("flavour"))
  }

  @Test func whatCannotBeSaidIsSaid() throws {
    let model = try Architecture.named("deepseek-v3")
    let config = try Document(
      text: Architecture.shippedText(named: "deepseek-v3") ?? "", name: "deepseek-v3.json")
    let export = try LauncherExport(
      Plan.named("deepseek-v3"), model: config, model, to: .megatron)
    let unsaid = export.unsaid.joined(separator: "\n")
    for part in ["schedule", "expert-load", "nodes-per-token", "computation-sms", "dispatch"] {
      #expect(unsaid.contains(part), "\(part): \(unsaid)")
    }
    #expect(export.text.contains("--multi-latent-attention\n"))
  }

  /// Broken files end in a job or in one error, never otherwise.
  @Test func brokenFiles() throws {
    var random = SplitMix64(state: 12)
    for name in ["gpt.sh", "torchtitan.toml", "deepspeed.json", "recipe.py.txt"] {
      let text = try ImportTests.fixture(name)
      for _ in 0..<150 {
        let broken = String(decoding: mutated(text, using: &random), as: UTF8.self)
        do {
          _ = try ImportTests.job(broken, ranks: 1024, length: 4096, model: nil)
        } catch {
          #expect(error is ConfigurationError, "\(error)")
        }
      }
    }
  }
}
