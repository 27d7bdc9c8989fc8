#if MPI
  import MessagePassing

  /// The value that `body` makes, if it makes one on every rank; else the first rank that could not
  /// says why, and the others wait for their end.
  func agreed<Value>(
    _ communicator: any Communicator, _ body: () throws -> Value
  ) throws -> Value {
    let outcome = Result { try body() }
    let own: Int
    if case .failure = outcome { own = communicator.rank } else { own = .max }
    let first = try communicator.allReduce(own, .minimum)
    if first == .max || first == communicator.rank { return try outcome.get() }
    try communicator.barrier()
    return try outcome.get()
  }
#endif
