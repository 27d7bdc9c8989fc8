import COpenBLAS
import Kernels

/// A step's matrix products by themselves, whole and straight through OpenBLAS, or with rows kept apart.
final class Replay {
  private let calls: [ProductCall]
  private let a: UnsafeMutableBufferPointer<Float>
  private let b: UnsafeMutableBufferPointer<Float>
  /// Of each product a weight of its own, and the bench that has laid them out; for rows kept apart.
  private let bench = Workbench()
  private var weights: [UnsafeMutableBufferPointer<Float>] = []
  private let out: UnsafeMutableBufferPointer<Float>

  /// FLOPs of one replay.
  let flops: Int

  /// - Parameter rows: rows of a product at least, whatever it was called with.
  init(_ calls: [ProductCall], rows: Int = 0) {
    let calls = calls.map { call in
      var call = call
      call.size.m = max(call.size.m, rows)
      return call
    }
    func room(_ count: (ProductSize) -> Int) -> UnsafeMutableBufferPointer<Float> {
      let memory = UnsafeMutableBufferPointer<Float>.allocate(
        capacity: max(1, calls.map { count($0.size) }.max() ?? 1))
      for index in memory.indices {
        memory.initializeElement(at: index, to: Float(index % 251) / 251 - 0.5)
      }
      return memory
    }
    self.calls = calls
    a = room { $0.m * $0.k }
    b = room { $0.k * $0.n }
    out = room { $0.m * $0.n }
    flops = calls.reduce(0) { $0 + $1.size.flops }
  }

  deinit {
    a.deallocate()
    b.deallocate()
    out.deallocate()
    for weight in weights { weight.deallocate() }
  }

  /// Makes every product once.
  func run() {
    for call in calls {
      let size = call.size
      sluice_sgemm(
        call.turnsA ? 1 : 0, call.turnsB ? 1 : 0, Int32(size.m), Int32(size.n), Int32(size.k), 1,
        a.baseAddress, Int32(call.turnsA ? size.m : size.k), b.baseAddress,
        Int32(call.turnsB ? size.k : size.n), call.accumulates ? 1 : 0, out.baseAddress,
        Int32(size.n))
    }
  }

  /// Makes every product once, a row by itself; the first time lays weights out.
  func runApart() {
    if weights.isEmpty {
      bench.keepsRowsApart = true
      weights = calls.map { call in
        let weight = UnsafeMutableBufferPointer<Float>.allocate(
          capacity: call.size.k * call.size.n)
        weight.initialize(repeating: 0.25)
        return weight
      }
    }
    guard let start = a.baseAddress, let target = out.baseAddress else { return }
    for (call, weight) in zip(calls, weights) {
      guard let weight = weight.baseAddress else { continue }
      let size = call.size
      matmul(
        target, stride: size.n, Factor(start, stride: size.k),
        Factor(
          weight, stride: call.turnsB ? size.k : size.n, isTransposed: call.turnsB,
          isWeight: true), size, accumulate: call.accumulates, on: bench)
    }
  }
}
