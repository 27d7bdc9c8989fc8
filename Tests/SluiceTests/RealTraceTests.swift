#if MPI
  import Documents
  import Engines
  import Foundation
  import MessagePassing
  import Plans
  import Programs
  import Reports
  import Simulation
  import TestSupport
  import Testing
  import Training
  import sluice

  /// The timeline of a real step is that of the simulated one, with other times: the same items, operations,
  /// transfers and bytes on every rank.
  @Suite struct RealTraceTests {
    static let splits: [(model: String, split: Split)] = [
      ("gpt2", Split(pipeline: 2, schedule: "zb-h1")),
      ("llama", Split(data: 2, pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2)),
      ("deepseek-v3", Split(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe")),
      ("deepseek-v3", Split(data: 2, expert: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2)),
    ]

    /// Messages and collectives with their bytes, in any order.
    private static func words(_ transfers: [TransferSpan]) -> [String] {
      transfers.map { "\($0.kind) \($0.bytes)" }.sorted()
    }

    @Test(arguments: splits) func realAndSimulatedTimelinesAgree(
      _ scene: (model: String, split: Split)
    ) throws {
      let (ledgers, step) = try Step.recorded(scene.model, scene.split)
      let mesh = scene.split.plan.mesh
      for (rank, ledger) in ledgers.enumerated() {
        let program = step.input.ranks[mesh.coordinates(of: rank).pipeline]
        let timeline = ledger.timeline
        #expect(timeline.items.map(\.item) == program.items)
        let simulated = try #require(
          step.result.ranks.first { result in
            result.position * (mesh.worldSize / mesh.pipelineParallel) + result.replica == rank
          })
        #expect(Self.words(timeline.transfers) == Self.words(simulated.transfers))
        // Operations of actions, item by item.
        for item in timeline.items {
          guard case .run(let action) = item.item else { continue }
          let operations = item.spans.count { span in
            if case .operation = span.kind { true } else { false }
          }
          let stage = step.input.stages[action.stage]
          #expect(operations == stage.program(for: action.pass).operations.count)
        }
      }
    }

    /// The counters of a real step come from its memory as it was: they reach the rank's peak and end where
    /// they began.
    @Test(arguments: splits) func countersReachThePeak(_ scene: (model: String, split: Split))
      throws
    {
      for ledger in try Step.recorded(scene.model, scene.split).ledgers {
        let samples = ledger.timeline.memory
        #expect(samples.map(\.total).max() == ledger.peak.total)
        #expect(samples.first?.live == samples.last?.live)
        #expect(samples.count > 8)
        #expect(zip(samples, samples.dropFirst()).allSatisfy { $0.time <= $1.time })
      }
    }

    /// Exchanges carry the bytes that were really sent to all ranks, this one among them.
    @Test func exchangesCarryWhatWasSent() throws {
      let split = Split(data: 2, expert: 2)
      let (ledgers, step) = try Step.recorded("deepseek-v3", split)
      var seen = 0
      for ledger in ledgers {
        for item in ledger.timeline.items {
          guard case .run(let action) = item.item, action.pass == .forward else { continue }
          let program = step.input.stages[action.stage].forward
          for span in item.spans {
            guard case .transfer(let index) = span.kind,
              case .dispatch(let exchange) = program.transfers[Int(index)].kind
            else { continue }
            let counts = try #require(
              ledger.exchanges.first {
                $0.stage == action.stage && $0.microbatch == action.microbatch
                  && $0.exchange == exchange
              })
            let rows = counts.sent.reduce(0, +)
            #expect(span.bytes == rows * program.transfers[Int(index)].bytesPerRow)
            seen += 1
          }
        }
      }
      #expect(seen >= 8)
    }

    /// Written down, nothing overlaps on a track.
    @Test(arguments: splits) func nothingOverlapsOnATrack(
      _ scene: (model: String, split: Split)
    ) throws {
      let (ledgers, step) = try Step.recorded(scene.model, scene.split)
      let folder = try ScratchFolder()
      let parts = ledgers.enumerated().map { rank, ledger in
        RunTrace.part(ledger.timeline, delay: 5000 * Int64(rank), rank: rank, step.input)
      }
      let path = folder.file("trace.json")
      try RunTrace.write(
        parts.joined(), title: "a \"step\"", Inputs(seed: 9),
        to: OutputPath(path, besides: []))
      let data = try Data(contentsOf: URL(filePath: path))
      #expect(try TraceNesting.overlaps(in: data).isEmpty)
      let text = String(decoding: data, as: UTF8.self)
      for words in [
        "\"cat\":\"action\"", "memory, bytes", "\"ph\":\"s\"", "a \\\"step\\\"", "\"seed\":9",
      ] {
        #expect(text.contains(words), "\(words)")
      }
      try expectAll(ledgers.map(\.timeline), in: data)
    }

    /// Nothing that a rank did is left out, whatever else was under way meanwhile.
    private func expectAll(_ timelines: [Timeline], in trace: Data) throws {
      let value = try JSONSerialization.jsonObject(with: trace) as? [String: Any]
      let events = try #require(value?["traceEvents"] as? [[String: Any]])
      for (rank, timeline) in timelines.enumerated() {
        let own = events.filter { $0["pid"] as? Int == rank }
        func count(_ phase: String) -> Int { own.count { $0["ph"] as? String == phase } }
        let spans = timeline.items.reduce(0) { $0 + $1.spans.count }
        #expect(count("X") == timeline.items.count + spans + timeline.transfers.count)
        let sends = timeline.transfers.compactMap { span -> Bool? in
          if case .message(let transfer) = span.kind { transfer.isSend } else { nil }
        }
        #expect(sends.count >= 8)
        #expect(count("s") == sends.count { $0 } && count("f") == sends.count { !$0 })
        // An arrow's end lies on the track of an event of its message.
        let tracks = Set(own.filter { $0["ph"] as? String == "X" }.compactMap { $0["tid"] as? Int })
        let ends = own.filter { ["s", "f"].contains($0["ph"] as? String) }
        #expect(ends.allSatisfy { tracks.contains($0["tid"] as? Int ?? -1) })
      }
    }
  }
#endif
