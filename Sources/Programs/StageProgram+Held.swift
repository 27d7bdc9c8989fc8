extension StageProgram {
  /// What a rank holds as long as it has its stages, each with the number of the stage; of a tensor that
  /// several stages use, what they share once.
  public static func held(by stages: [Int], of programs: [StageProgram])
    -> [(stage: Int, buffer: BufferID)]
  {
    struct Shared: Hashable {
      var tensor: TransferKind.Group
      var use: Buffer.Use
    }
    var shared: Set<Shared> = []
    return stages.flatMap { stage in
      let buffers = programs[stage].buffers
      return buffers.indices.filter { index in
        guard buffers[index].scope == .stage else { return false }
        guard let tensor = buffers[index].sharedTensor else { return true }
        return shared.insert(Shared(tensor: tensor, use: buffers[index].use)).inserted
      }.map { (stage, BufferID($0)) }
    }
  }

  /// Whether a parameter is the first of the stage that adds to its gradient: uses of one tensor may
  /// share it.
  func hasOwnGradient(_ index: Int) -> Bool {
    parameters.firstIndex { $0.isTrained && $0.gradient == parameters[index].gradient } == index
  }
}
