#if MPI
  import Engines
  import Testing
  import sluice

  @Suite struct MessageComparisonTests {
    private let messages = [
      StepMessage(.dispatch, stage: 1, microbatch: 0, number: 0, from: 2, to: 3, bytes: 512),
      StepMessage(.pipeline, stage: 0, microbatch: 1, number: 0, from: 0, to: 2, bytes: 64),
      StepMessage(.gather, stage: 1, number: 2, from: 3, to: 3, bytes: 32),
    ]

    @Test func orderDoesNotMatter() {
      let comparison = MessageComparison(simulated: messages, measured: messages.reversed())
      #expect(comparison.firstDifference == nil)
      #expect(MessageComparison(simulated: [], measured: []).firstDifference == nil)
    }

    @Test func theFirstDifferenceIsNamed() {
      func difference(_ change: (inout [StepMessage]) -> Void) -> String? {
        var measured = messages
        change(&measured)
        return MessageComparison(simulated: messages, measured: measured).firstDifference
      }
      #expect(
        difference { $0[1].bytes = 60 }
          == "pipeline 0 of stage 0, microbatch 1: 64 bytes from rank 0 to rank 2: simulated; 60 bytes measured"
      )
      #expect(
        difference { $0.remove(at: 2) }
          == "gather 2 of stage 1: 32 bytes from rank 3 to rank 3: only simulated")
      #expect(
        difference { $0.append($0[0]) }
          == "dispatch 0 of stage 1, microbatch 0: 512 bytes from rank 2 to rank 3: only measured")
      #expect(
        difference { $0[0].destination = 1 }
          == "dispatch 0 of stage 1, microbatch 0: 512 bytes from rank 2 to rank 1: only measured")
    }

    @Test func linksFollowFromNodes() {
      let nodes = [0, 0, 1, 1]
      #expect(messages.map { LinkClass($0, nodes: nodes) } == [.node, .network, .rank])
      #expect(messages.map { LinkClass($0, nodes: [0, 1, 0, 1]) } == [.network, .node, .rank])
    }

    @Test func numbersComeBack() {
      #expect(messages.map { StepMessage(numbers: $0.numbers) } == messages)
    }
  }
#endif
