import Foundation
import MessagePassing
import Models
import Plans
import TestSupport
import Testing
import Tokens
import Training

/// A peer's lateness costs nothing while a rank has work of its own.
@Suite struct OverlapTests {
  /// Rows that take their time: rank 0's work before each microbatch, and once a late rank 1.
  ///
  /// They sleep, so that a machine which others use as well changes little.
  private final class SlowRows: SequenceSource {
    private let rows: RepeatedRows
    private let seconds: (Int) -> Double

    init(_ rows: RepeatedRows, seconds: @escaping (Int) -> Double) {
      self.rows = rows
      self.seconds = seconds
    }

    func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
      Thread.sleep(forTimeInterval: seconds(index))
      rows.withSequence(index, body)
    }
  }

  static let work = 0.15
  static let delay = 0.4

  /// Seconds that rank 0 stands still for its neighbour, who is late with one of four microbatches.
  private func exposed(lateWith late: Int) throws -> Double {
    let model = try ReferenceModel("llama-8-layers")
    var plan = model.plan {
      $0.pipelineParallel = 2
      $0.schedule = .named("gpipe")
      $0.sendMode = .eager
    }
    plan.globalBatch = 4
    return try withRanksAsThreads(2, timeout: Launch.hangLimit) { [plan] communicator in
      // Rank 0 reads tokens for its embedding, rank 1 labels for its head.
      let rows = SlowRows(RepeatedRows(model.rows)) { index in
        if communicator.rank == 0 { return Self.work }
        return index == late ? Self.delay : 0
      }
      let trainer = try RankTrainer(model.architecture, plan, communicator, rows)
      try model.load(trainer)
      let ledger = try trainer.step(learningRate: 0.01).ledger
      return Double(ledger.waitTime[Int(Ledger.MessageKind.pipeline.rawValue)]) / 1e9
    }[0]
  }

  /// Rank 1 is as late with the first microbatch as with the last.
  ///
  /// In the first case rank 0 has three more forwards to do meanwhile, in the second none.
  @Test func aLatePeerIsHiddenByOwnWork() throws {
    let hidden = try exposed(lateWith: 0)
    let bare = try exposed(lateWith: 3)
    #expect(bare > 0.5 * Self.delay, "nothing covers the delay: \(bare) s")
    #expect(hidden < 0.5 * bare, "\(hidden) s of \(bare) s")
  }
}
