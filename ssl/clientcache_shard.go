package ssl

import (
	"container/list"
	"slices"
	"time"
)

// The methods here are called with mu held. The sessions that they return in gone have
// left the shard; the caller closes them after it has released mu.

func (sh *clientShard) put(key SessionKey, s cachedSession) (gone []cachedSession) {
	if sh.closed {
		return []cachedSession{s}
	}
	e := sh.entry(key)
	if !s.once {
		e.sessions = slices.DeleteFunc(e.sessions, func(old cachedSession) bool {
			if !old.once {
				gone = append(gone, old)
			}
			return !old.once
		})
	}
	if len(e.sessions) == sessionsPerKey {
		gone = append(gone, e.sessions[0])
		e.sessions = slices.Delete(e.sessions, 0, 1)
	}
	e.sessions = append(e.sessions, s)
	sh.n += 1 - len(gone)
	sh.stats.Stores++
	return append(gone, sh.evict(sh.limit)...)
}

// entry returns the entry of key, empty if it is new, as the most recently used.
func (sh *clientShard) entry(key SessionKey) *clientEntry {
	if el, ok := sh.keys[key]; ok {
		sh.used.MoveToFront(el)
		return el.Value.(*clientEntry)
	}
	if sh.keys == nil {
		sh.keys, sh.hosts = map[SessionKey]*list.Element{}, map[clientHost]int{}
	}
	e := &clientEntry{key: key}
	sh.keys[key] = sh.used.PushFront(e)
	sh.hosts[key.host()]++
	return e
}

func (k SessionKey) host() clientHost { return clientHost{k.Addr, k.ServerName} }

// drop forgets an entry without sessions.
func (sh *clientShard) drop(el *list.Element) {
	key := el.Value.(*clientEntry).key
	sh.used.Remove(el)
	delete(sh.keys, key)
	if sh.hosts[key.host()]--; sh.hosts[key.host()] == 0 {
		delete(sh.hosts, key.host())
	}
}

// evict makes the shard hold at most limit sessions.
func (sh *clientShard) evict(limit int) (gone []cachedSession) {
	for sh.n > limit {
		el := sh.used.Back()
		e := el.Value.(*clientEntry)
		out := min(len(e.sessions), sh.n-limit)
		gone = append(gone, e.sessions[:out]...)
		e.sessions = slices.Delete(e.sessions, 0, out)
		sh.n -= out
		sh.stats.Evictions += uint64(out)
		if len(e.sessions) == 0 {
			sh.drop(el)
		}
	}
	return gone
}

func (sh *clientShard) take(key SessionKey, now time.Time) (
	s *Session, why ReuseState, gone []cachedSession,
) {
	el, ok := sh.keys[key]
	if !ok {
		sh.stats.Misses++
		if sh.hosts[key.host()] > 0 {
			return nil, ReuseOtherConfig, nil
		}
		return nil, ReuseNoSession, nil
	}
	sh.used.MoveToFront(el)
	e := el.Value.(*clientEntry)
	why = ReuseNoSession
	for s == nil && len(e.sessions) > 0 {
		last := len(e.sessions) - 1
		newest := e.sessions[last]
		fresh := now.Before(newest.until)
		if fresh && !newest.once {
			s, _ = newest.s.UpRef()
			break
		}
		e.sessions = slices.Delete(e.sessions, last, last+1)
		sh.n--
		if fresh {
			s = newest.s
		} else {
			why = ReuseExpired
			sh.stats.Expired++
			gone = append(gone, newest)
		}
	}
	if len(e.sessions) == 0 {
		sh.drop(el)
	}
	if s == nil {
		sh.stats.Misses++
		return nil, why, gone
	}
	sh.stats.Hits++
	return s, ReuseUnknown, gone
}

func (sh *clientShard) remove(key SessionKey, s *Session) (gone []cachedSession) {
	el, ok := sh.keys[key]
	if !ok {
		return nil
	}
	e := el.Value.(*clientEntry)
	i := slices.IndexFunc(e.sessions, func(c cachedSession) bool { return c.s.Same(s) })
	if i < 0 {
		return nil
	}
	gone = []cachedSession{e.sessions[i]}
	e.sessions = slices.Delete(e.sessions, i, i+1)
	sh.n--
	if len(e.sessions) == 0 {
		sh.drop(el)
	}
	return gone
}
