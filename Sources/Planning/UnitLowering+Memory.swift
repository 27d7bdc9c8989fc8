import Programs

/// What passes of a stage take and leave of memory.
extension UnitLowering {
  /// Bytes that a program leaves behind it, negative where it frees more than it takes, and its peak, both
  /// beside what was there before anything came for it.
  ///
  /// What goes to another stage is left out: it is gone when it has been sent.
  ///
  /// - Parameter arriving: what another stage has sent, which stays until the program, or a later one, releases
  ///   it; within a stage it is what the unit before has left.
  func memory(
    of program: Program, in stage: StageProgram, arriving: BufferID?
  ) -> (left: Double, peak: Double) {
    let rows = exchangeRows(stage, load: 1)
    func size(_ id: BufferID) -> Int {
      guard id != stage.output, id != stage.inputGradient else { return 0 }
      let buffer = stage.buffers[Int(id.index)]
      return rows(buffer.rows) * buffer.bytesPerRow
    }
    var bytes = arriving.map(size) ?? 0
    var peak = bytes
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
