import Foundation

/// What a body needs of a processor, in seconds, on this thread alone.
///
/// A bound on it holds on a machine that others use as well, which a bound on the wall clock does not.
public func processorSeconds(_ body: () throws -> Void) rethrows -> Double {
  let start = threadTime()
  try body()
  return threadTime() - start
}

private func threadTime() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
