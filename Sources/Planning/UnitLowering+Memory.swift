import Programs

/// What passes of a stage take and leave of memory.
extension UnitLowering {
  /// Bytes that a program leaves behind it, negative where it frees more than it takes, and its peak.
  ///
  /// What comes from another stage or goes there is left out: it is gone when it has been sent.
  func memory(
    of program: Program, in stage: StageProgram
  ) -> (left: Double, peak: Double) {
    let rows = exchangeRows(stage, load: 1)
    var (bytes, peak) = (0, 0)
    let passing = [stage.input, stage.output, stage.inputGradient, stage.outputGradient]
    func size(_ id: BufferID) -> Int {
      guard !passing.contains(id) else { return 0 }
      let buffer = stage.buffers[Int(id.index)]
      return rows(buffer.rows) * buffer.bytesPerRow
    }
    for step in program.steps {
      switch step {
      case .acquire(let id): bytes += size(id)
      case .release(let id): bytes -= size(id)
      case .compute, .start, .wait, .reduce, .gatherAhead: break
      }
      peak = max(peak, bytes)
    }
    return (Double(bytes), Double(peak))
  }
}
