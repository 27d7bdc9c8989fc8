import Clusters
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// Activations and optimizer state that lie in the host's memory.
@Suite struct OffloadTests {
  private static let batch = 4

  private static func step(
    _ more: [String] = [], batch: Int = batch, link: String = "64 GB/s"
  ) throws -> PlannedStep {
    let plan = ["global-batch: \(batch)", "sequence-length: 2048", "schedule: gpipe"]
    return try PlannedStep(
      architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=4"]),
      cluster: .named(
        "h800-2048", overrides: ["device.host-link={bandwidth: \(link)}"]),
      plan: .read(
        Document(text: (plan + more).joined(separator: "\n"), name: "plan"), name: "plan"))
  }

  /// Bytes of the copies of a pass.
  private static func copied(_ program: Program, _ kind: TransferKind) -> [(layer: Int, bytes: Int)]
  {
    program.transfers.filter { $0.kind == kind }.map { copy in
      (copy.layer, copy.bytes(sent: { _ in 0 }, received: { _ in 0 }, rows: { ExchangeRows()($0) }))
    }
  }

  /// The first layers' activations go away in the forward, and all of them come back in the backward.
  @Test(arguments: [(0.25, 1), (0.5, 2), (1, 4)])
  func theFirstLayersGo(share: Double, layers: Int) throws {
    let stage = try Self.step(["offload: {activations: \(share)}"]).input.stages[0]
    let away = Self.copied(stage.forward, .toHost)
    let back = Self.copied(stage.backward, .fromHost)
    #expect(Set(away.map(\.layer)) == Set(0..<layers))
    let (sent, brought) = (away.reduce(0) { $0 + $1.bytes }, back.reduce(0) { $0 + $1.bytes })
    #expect(sent == brought && sent > 0)
    // Equal layers keep as much.
    let first = away.filter { $0.layer == 0 }.reduce(0) { $0 + $1.bytes }
    #expect(sent == layers * first)
    for program in [stage.forward, stage.backward] {
      let copies = program.transfers.indices.filter { program.transfers[$0].stream.isOfHost }
      for copy in copies {
        let start = program.steps.firstIndex(of: .start(Int32(copy)))
        let wait = program.steps.firstIndex(of: .wait(Int32(copy)))
        #expect(try #require(start) < #require(wait))
      }
    }
  }

  /// Each microbatch that waits for its backward takes so much less as was copied.
  @Test func memoryFallsByWhatIsCopied() throws {
    let plan = ["offload: {activations: 1}"]
    func growth(_ more: [String]) throws -> Int {
      try Self.step(more, batch: 8).report().memory.peak - Self.step(more).report().memory.peak
    }
    let copied = Self.copied(try Self.step(plan).input.stages[0].forward, .toHost)
    let bytes = copied.reduce(0) { $0 + MemoryLedger.aligned($1.bytes) }
    #expect(try growth([]) - growth(plan) == (8 - Self.batch) * bytes)
  }

  /// Copies take their bytes over the link each way; a slow link shows, a fast one does not.
  @Test func linksDecideWhatShows() throws {
    let plan = ["offload: {activations: 1}"]
    let bytes = Self.copied(try Self.step(plan).input.stages[0].forward, .toHost)
      .reduce(0) { $0 + $1.bytes }
    var shown: [Double] = []
    for (link, rate) in [("1 GB/s", 1e9), ("64 GB/s", 64e9), ("10 TB/s", 1e13)] {
      let report = try Self.step(plan, link: link).report()
      let seconds = Double(2 * Self.batch * bytes) / rate
      #expect(abs(report.host.total - seconds) < 1e-6 * seconds + 1e-9)
      #expect(report.host.exposed <= report.host.total)
      // One way after the other.
      #expect(report.stepSeconds > seconds)
      shown.append(report.host.exposed)
    }
    #expect(shown[0] > shown[1] && shown[1] >= shown[2])
    let plain = try Self.step().report()
    #expect(plain.host.total == 0)
    let slow = try Self.step(plan, link: "1 GB/s").report()
    #expect(slow.stepSeconds > plain.stepSeconds + 0.5 * slow.host.exposed)
    #expect(slow.hardwareFLOPsCausal == plain.hardwareFLOPsCausal)
  }

  /// Halves of a backward bring back what each of them reads.
  @Test func halvesBringBackWhatTheyRead() throws {
    let stage = try Self.step(["offload: {activations: 1}"]).input.stages[0]
    let whole = Self.copied(stage.backward, .fromHost).reduce(0) { $0 + $1.bytes }
    let halves = [stage.backwardInput, stage.backwardWeight].map {
      Self.copied($0, .fromHost).reduce(0) { $0 + $1.bytes }
    }
    #expect(halves.reduce(0, +) == whole)
  }

  /// State on the host takes no memory of the device, and its 12 bytes a parameter pass the link each way.
  @Test func stateComesInPieces() throws {
    let plain = try Self.step().report()
    let half = try Self.step(["offload: {optimizer: 0.5}"]).report()
    let step = try Self.step(["offload: {optimizer: 1}"])
    let away = step.report()
    #expect(away.memory.optimizer == 0)
    #expect(abs(2 * half.memory.optimizer - plain.memory.optimizer) < 1 << 20)
    let elements = step.input.stages[0].segments.reduce(0) { $0 + $1.elements }
    #expect(plain.memory.optimizer == 12 * elements)
    let update = try #require(step.input.stages[0].update.operations.first)
    let seconds = step.pricing.seconds(of: update, rows: ExchangeRows(), isOverlapped: false)
    let expected = step.pricing.device.launchGap + Double(12 * elements) / 64e9
    #expect(abs(seconds - expected) < 1e-9)
    // Nothing is longer where the link is faster than the device's memory.
    let fast = try Self.step(["offload: {optimizer: 1}"], link: "10 TB/s").report()
    #expect(abs(fast.split.optimizer - plain.split.optimizer) < 1e-9)
    #expect(fast.stepSeconds < half.stepSeconds && half.stepSeconds < away.stepSeconds)
  }

  @Test func unknownLinksAreRefused() throws {
    for part in ["activations", "optimizer"] {
      let error = #expect(throws: PlanError.self) {
        _ = try PlannedStep(
          architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=4"]),
          cluster: .named("h800-2048", overrides: ["device.host-link=null"]),
          plan: .read(
            Document(
              text: "global-batch: 4\nsequence-length: 128\noffload: {\(part): 1}", name: "plan"),
            name: "plan"))
      }
      #expect(error.map { "\($0)".contains("needs device.host-link") } == true)
    }
    let error = #expect(throws: PlanError.self) {
      _ = try Self.step(["optimizer: muon", "offload: {optimizer: 0.5}"])
    }
    #expect(error.map { "\($0)".hasPrefix("offload.optimizer 0.5 takes") } == true)
  }
}
