#if MPI
  import Documents
  import Foundation
  import MessagePassing
  import Runs
  import TestSupport
  import Testing
  import Training
  import sluice

  /// The forwards of a step of reinforcement learning that nothing is learnt from, a rollout's and the
  /// reference's, do what the simulator says of their programs.
  @Suite struct PolicyForwardCheckTests {
    private static let degrees = [
      "", "data-parallel: 2", "pipeline-parallel: 2, schedule: 1f1b",
      "pipeline-parallel: 2, schedule: dualpipe", "data-parallel: 2, pipeline-parallel: 2",
      "pipeline-parallel: 2, stages-per-rank: 2, schedule: zbv",
    ]

    /// The checks of the first step of a run, and of one whose ledgers are changed.
    private func checks(
      _ model: String, _ degrees: String,
      change: @escaping @Sendable (Int, inout RecordedForward) -> Void = { _, _ in }
    ) throws -> [SimulationCheck] {
      let folder = try ScratchFolder()
      let fixture = Bundle.module.bundleURL.appending(path: "Fixtures/\(model).json")
      let prompts = (0..<5).map { "{\"prompt\": \"1\(String(repeating: "7", count: $0))=\"}\n" }
      _ = try folder.write(prompts.joined(), to: "prompts.jsonl")
      let path = try folder.write(
        """
        model: \(fixture.path)
        objective: grpo
        grpo:
          prompts: prompts.jsonl
          group: 4
          max-tokens: 5
          beta: 0.1
          rewards: [{rule: length, maximum: 5}]
        plan: {global-batch: 8, sequence-length: 12\(degrees.isEmpty ? "" : ", ")\(degrees)}
        learning-rate: 0.003
        steps: 1
        """, to: "run.yaml")
      let run = try RunFile.read(path: path)
      let prepared = try PreparedRun(run, ranks: run.plan.worldSize)
      return try withRanksAsThreads(run.plan.worldSize, timeout: Launch.hangLimit) { communicator in
        let training = try TrainingRun(prepared, communicator, .anew)
        training.recording = Recording(order: true)
        _ = try training.step()
        return try training.recordedForwards.map { forward in
          var forward = forward
          change(communicator.rank, &forward)
          return try SimulationCheck(forward, communicator)
        }
      }[0]
    }

    @Test(arguments: ["gpt2", "llama", "deepseek-v3"], degrees)
    func forwardsAreAsSimulated(model: String, degrees: String) throws {
      let checks = try checks(model, degrees)
      #expect(checks.count == 2)
      for check in checks { #expect(check.isEqual, "\(check.text)") }
      #expect(checks.first?.text.contains("one forward of a rollout") ?? false)
      #expect(checks.last?.text.contains("a forward of the reference") ?? false)
    }

    @Test func experts() throws {
      let checks = try checks("deepseek-v3", "data-parallel: 2, expert-parallel: 2")
      #expect(checks.count == 2)
      for check in checks { #expect(check.isEqual, "\(check.text)") }
    }

    /// One rank that does anything else is found.
    @Test func otherFiguresAreFound() throws {
      let changes: [@Sendable (inout RecordedForward) -> Void] = [
        { $0.ledger.matmulFLOPs += 2 }, { $0.ledger.attentionFLOPs += 2 },
        { $0.ledger.peak[.activation] += 256 }, { $0.ledger.order.swapAt(0, 1) },
        { if !$0.keys.isEmpty { $0.keys[0] += 1 } },
        { if !$0.ledger.messages.isEmpty { $0.ledger.messages[0].bytes += 4 } },
      ]
      for (number, change) in changes.enumerated() {
        let checks = try checks("llama", "pipeline-parallel: 2, schedule: 1f1b") {
          if $0 == 0 { change(&$1) }
        }
        #expect(checks.count == 2 && !checks[0].isEqual, "\(number)")
      }
    }
  }
#endif
