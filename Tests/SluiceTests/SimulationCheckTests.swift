#if MPI
  import Engines
  import Plans
  import Testing
  import Training
  import sluice

  /// Real steps do what the simulator says: FLOPs, every message, peak memory, order; and where a rank
  /// does anything else the check says so.
  @Suite struct SimulationCheckTests {
    static let dense: [Split] = [
      Split(), Split(data: 2), Split(data: 2, zero: .nothing), Split(data: 4),
      Split(pipeline: 2, schedule: "gpipe"), Split(pipeline: 2), Split(pipeline: 4),
      Split(pipeline: 2, sends: .eager),
      Split(pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2),
      Split(pipeline: 4, schedule: "interleaved-1f1b", stagesPerRank: 2),
      Split(pipeline: 2, schedule: "looped-bfs", stagesPerRank: 2),
      Split(pipeline: 2, schedule: "zb-h1"), Split(pipeline: 4, schedule: "zb-h1", sends: .eager),
      Split(pipeline: 4, schedule: "zb-2p", sends: .eager),
      Split(pipeline: 2, schedule: "interleaved-zero-bubble", stagesPerRank: 2),
      Split(pipeline: 2, schedule: "zbv", stagesPerRank: 2),
      Split(pipeline: 4, schedule: "v-half", stagesPerRank: 2),
      Split(pipeline: 2, schedule: "dualpipe"),
      Split(pipeline: 4, schedule: "dualpipe", zero: .nothing, sends: .eager),
      Split(pipeline: 2, schedule: "dualpipev", stagesPerRank: 2),
      Split(data: 2, pipeline: 2), Split(data: 2, pipeline: 2, recomputation: .full),
      Split(data: 2, pipeline: 2, recomputation: .selective),
      Split(data: 2, pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2),
      Split(data: 2, pipeline: 2, schedule: "zb-h1", zero: .nothing),
      Split(data: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2),
      Split(data: 2, pipeline: 2, schedule: "dualpipe"),
      Split(data: 2, pipeline: 2, schedule: "dualpipev", stagesPerRank: 2),
      Split(data: 2, bucket: 2000), Split(data: 4, zero: .nothing, bucket: 1),
      Split(data: 2, pipeline: 2, schedule: "zb-h1", bucket: 2000),
      Split(pipeline: 2, schedule: "dualpipe", bucket: 500),
      Split(data: 2, overlap: gathersAhead, bucket: 2000),
      Split(data: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2, overlap: gathersAhead),
      Split(pipeline: 2, schedule: "dualpipe", overlap: gathersAhead, bucket: 500),
    ]

    private static var gathersAhead: Plan.Overlap {
      var overlap = Plan.Overlap()
      overlap.parameterGather = true
      return overlap
    }

    static let experts: [Split] = [
      Split(data: 2, expert: 2), Split(data: 2, expert: 2, zero: .nothing),
      Split(data: 4, expert: 2), Split(data: 4, expert: 4, recomputation: .full),
      Split(data: 2, expert: 2, pipeline: 2),
      Split(data: 2, expert: 2, pipeline: 2, schedule: "zb-h1"),
      Split(data: 2, expert: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2),
      Split(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe"),
      Split(data: 2, expert: 2, pipeline: 2, schedule: "dualpipev", stagesPerRank: 2),
      Split(data: 4, expert: 2, bucket: 1000),
      Split(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe", bucket: 2000),
      Split(data: 2, expert: 2, overlap: overlap(experts: true)),
      Split(data: 2, expert: 2, pipeline: 2, sends: .eager, overlap: overlap(experts: true)),
      Split(
        data: 2, expert: 2, pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2,
        overlap: overlap(experts: true, sends: true)),
      Split(
        data: 2, expert: 2, pipeline: 2, schedule: "dualpipe", sends: .eager,
        overlap: overlap(experts: false, sends: false)),
      Split(
        data: 2, expert: 2, pipeline: 2, schedule: "dualpipe", bucket: 2000,
        order: .segments(weightsLast)),
      Split(
        data: 2, expert: 2, pipeline: 2, sends: .eager, overlap: overlap(experts: true),
        order: .segments(weightsLast)),
    ]

    /// The forward first, weight halves as late as they go.
    private static let weightsLast: [PairSegment] = [
      .forwardAttention, .forwardDispatch, .backwardAttention, .backwardCombine, .forwardShared,
      .forwardExperts, .forwardCombine, .backwardExperts, .weightAttention, .backwardDispatch,
      .weightExperts,
    ]

    private static func overlap(experts: Bool, sends: Bool? = nil) -> Plan.Overlap {
      var overlap = Plan.Overlap()
      (overlap.expertExchange, overlap.pipelineSends) = (experts, sends)
      return overlap
    }

    @Test(arguments: ["gpt2", "llama", "deepseek-v3"], dense)
    func stepsAreAsSimulated(model: String, split: Split) throws {
      let check = try Step.check(model, split)
      #expect(check.isEqual, "\(check.text)")
      #expect(check.text.contains("every message is equal"))
    }

    @Test(arguments: experts)
    func stepsOfExpertsAreAsSimulated(split: Split) throws {
      let check = try Step.check("deepseek-v3", split)
      #expect(check.isEqual, "\(check.text)")
      #expect(check.text.contains("every message is equal"))
      for kind in ["counts", "dispatch", "combine", "combine backward", "dispatch backward"] {
        #expect(check.text.contains("  \(kind) "), "\(check.text)")
      }
    }

    /// A policy's steps read targets beside labels, and are as simulated with them.
    @Test(
      arguments: ["gpt2", "deepseek-v3"],
      [
        Split(), Split(data: 2, pipeline: 2), Split(pipeline: 2, schedule: "dualpipe"),
        Split(pipeline: 2, schedule: "zbv", stagesPerRank: 2), Split(data: 2, recomputation: .full),
      ])
    func policyStepsAreAsSimulated(model: String, split: Split) throws {
      let check = try Step.check(model, split, objective: .clippedPolicy)
      #expect(check.isEqual, "\(check.text)")
      #expect(check.text.contains("every message is equal"))
    }

    static let dualPipe = Split(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe")

    /// Whatever one rank does otherwise with one message of any kind is found, and the message named.
    @Test(arguments: StepMessage.Kind.allCases)
    func oneOtherMessageIsFound(kind: StepMessage.Kind) throws {
      let changes: [@Sendable (inout [StepMessage], Int) -> Void] = [
        { $0.remove(at: $1) }, { $0.append($0[$1]) }, { $0[$1].bytes += 4 },
        { $0[$1].destination ^= 1 }, { $0[$1].source ^= 1 }, { $0[$1].number += 1 },
        { $0[$1].stage ^= 1 }, { $0[$1].microbatch += 1 },
      ]
      for (number, change) in changes.enumerated() {
        let check = try Step.check("deepseek-v3", Self.dualPipe) { rank, ledger in
          guard rank == 2 else { return }
          let places = ledger.messages.indices.filter { ledger.messages[$0].kind == kind }
          change(&ledger.messages, places[places.count / 2])
        }
        #expect(!check.isEqual, "\(kind), change \(number)")
        #expect(check.text.contains("messages differ, first \(kind) "), "\(check.text)")
      }
    }

    /// Two messages that trade their destinations leave every sum as it was.
    @Test func tradedDestinationsAreFound() throws {
      let check = try Step.check("llama", Split(data: 4)) { rank, ledger in
        guard rank == 1 else { return }
        let all = ledger.messages.indices.filter { ledger.messages[$0].kind == .reduction }
        let (first, second) = (all[0], all[1])
        let destination = ledger.messages[first].destination
        #expect(destination != ledger.messages[second].destination)
        ledger.messages[first].destination = ledger.messages[second].destination
        ledger.messages[second].destination = destination
      }
      #expect(!check.isEqual)
      #expect(check.text.contains("messages differ, first reduction"), "\(check.text)")
    }

    @Test func otherFiguresAreFound() throws {
      let changes: [@Sendable (inout Ledger) -> Void] = [
        { $0.matmulFLOPs += 2 }, { $0.attentionFLOPs -= 2 }, { $0.peak[.activation] += 256 },
        { $0.order.swapAt(0, 1) }, { $0.order.swapAt($0.order.count - 2, $0.order.count - 1) },
        {
          $0.order.remove(at: 3); $0.streams.remove(at: 3)
        },
        {
          $0.order.removeLast(); $0.streams.removeLast()
        }, { $0.streams[5] = .data },
      ]
      for change in changes {
        let check = try Step.check("gpt2", Split(data: 2)) { rank, ledger in
          if rank == 1 { change(&ledger) }
        }
        #expect(!check.isEqual)
        #expect(check.text.contains("NOT equal"))
      }
    }
  }
#endif
