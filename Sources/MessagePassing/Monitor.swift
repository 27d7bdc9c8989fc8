import Glibc

/// A lock with one condition per rank: the only place that touches pthread's primitives.
///
/// `Synchronization` has a mutex but no condition variable.
final class Monitor: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let conditions: UnsafeMutableBufferPointer<pthread_cond_t>

  init(conditions count: Int) {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    conditions = .allocate(capacity: count)
    conditions.initialize(repeating: pthread_cond_t())
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    for index in 0..<count { pthread_cond_init(conditions.baseAddress! + index, &attributes) }
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    for index in conditions.indices { pthread_cond_destroy(conditions.baseAddress! + index) }
    conditions.deallocate()
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  func lock() { pthread_mutex_lock(mutex) }

  func unlock() { pthread_mutex_unlock(mutex) }

  /// Wakes whoever waits for the condition.
  func signal(_ condition: Int) { pthread_cond_broadcast(conditions.baseAddress! + condition) }

  /// Gives up the lock until the condition is signalled; false when the deadline passed first.
  func wait(_ condition: Int, until deadline: timespec?) -> Bool {
    let address = conditions.baseAddress! + condition
    guard var deadline else { return pthread_cond_wait(address, mutex) == 0 }
    return pthread_cond_timedwait(address, mutex, &deadline) != ETIMEDOUT
  }

  /// The moment that lies this far ahead; nil, for ever, when there is no duration.
  static func deadline(after duration: Duration?) -> timespec? {
    guard let duration else { return nil }
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let (seconds, attoseconds) = duration.components
    let nanoseconds = now.tv_nsec + Int(attoseconds / 1_000_000_000)
    return timespec(
      tv_sec: now.tv_sec + Int(seconds) + nanoseconds / 1_000_000_000,
      tv_nsec: nanoseconds % 1_000_000_000)
  }
}
