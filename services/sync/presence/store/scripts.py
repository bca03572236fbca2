"""What is done in Redis at once: Lua, each script one step that happens wholly or not at all.

The first argument of all is what keys begin with. Keys live for two leases, and replicas renew
that. A room is `TENANT:NAME`, which is unambiguous: a tenant is a DNS label.

- `leases`: replicas by the end of their lease, in milliseconds of the server;
- `rooms:REPLICA`: rooms that a replica has members in;
- `members:REPLICA:ROOM`: their lines (`records`), all of score 0, so in their own order;
- `versions:ROOM`: by replica, the number of its last write; 0 while it is swept;
- `people:ROOM`: by user, how many connections there are;
- `log:ROOM`: a stream of the latest changes, each with the one before it, for a lease at most;
- `head:ROOM`: the latest of them;
- `hints`: a channel, `REPLICA ROOM`, of the replica that need not hear it.

The counts of a room cost a step for each replica that is in it, whatever the number of members.
Rooms come from `ARGV`: the suite's Redis is one server behind Sentinels, not a cluster.
"""

from hashlib import sha1

LOG = 256  # changes that a room's log keeps, or somewhat more
AT_ONCE = 500  # members that one step removes
_ALL = f"""
local P = table.remove(ARGV, 1)
local LEASES, HINTS = P .. 'leases', P .. 'hints'
local LOG, AT_ONCE = {LOG}, {AT_ONCE}
"""
_COMMON = """
local function key(kind, room) return P .. kind .. ':' .. room end
local function members(replica, room) return P .. 'members:' .. replica .. ':' .. room end
local function time(given)
  if given ~= '' then return tonumber(given) end
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function alive(replica, now)
  local till = redis.call('ZSCORE', LEASES, replica)
  return till and tonumber(till) > now
end
local function head(room) return redis.call('GET', key('head', room)) or '0-0' end
local function count(room, now)
  local connections = 0
  for _, replica in ipairs(redis.call('HKEYS', key('versions', room))) do
    if alive(replica, now) then
      connections = connections + redis.call('ZCARD', members(replica, room))
    end
  end
  return connections, redis.call('HLEN', key('people', room))
end
local function line_of(set, connection)
  return redis.call('ZRANGEBYLEX', set, '[' .. connection .. '\\n', '(' .. connection .. '\\11')[1]
end
local function user_of(line)
  local first = string.find(line, '\\n', 1, true)
  return string.sub(line, first + 1, string.find(line, '\\n', first + 1, true) - 1)
end
local function add_user(room, user, by)
  local left = redis.call('HINCRBY', key('people', room), user, by)
  if left <= 0 then redis.call('HDEL', key('people', room), user) end
end
local function note(room, replica, line, gone)
  local id = redis.call('XADD', key('log', room), 'MAXLEN', '~', LOG, '*',
    'p', head(room), 'r', replica, 'm', line, 'g', gone)
  redis.call('SET', key('head', room), id)
end
local function drop(room, replica, line)
  redis.call('ZREM', members(replica, room), line)
  add_user(room, user_of(line), -1)
  note(room, replica, line, 1)
end
local function expire(room, replica, ttl)
  for _, kind in ipairs({'versions', 'people', 'log', 'head'}) do
    redis.call('PEXPIRE', key(kind, room), ttl)
  end
  redis.call('PEXPIRE', members(replica, room), ttl)
end
local function mend(room)
  redis.call('DEL', key('people', room))
  for _, replica in ipairs(redis.call('HKEYS', key('versions', room))) do
    for _, line in ipairs(redis.call('ZRANGE', members(replica, room), 0, -1)) do
      add_user(room, user_of(line), 1)
    end
  end
end
"""


def _script(body: str) -> str:
    return _ALL + _COMMON + body


# now, lease, replica -> nothing
RENEW = _script("""
local now, lease, replica = time(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
redis.call('ZADD', LEASES, now + lease, replica)
redis.call('PEXPIRE', LEASES, 2 * lease)
redis.call('PEXPIRE', P .. 'rooms:' .. replica, 2 * lease)
""")

# now, lease, replica, then room and version of each -> of each: whether it is stale, the log's head
TOUCH = _script("""
local now, lease, replica, answer = time(ARGV[1]), tonumber(ARGV[2]), ARGV[3], {}
local function lost(room)
  local found = false
  for _, each in ipairs(redis.call('HKEYS', key('versions', room))) do
    if redis.call('EXISTS', members(each, room)) == 0 then
      redis.call('HDEL', key('versions', room), each)
      found = true
    end
  end
  return found or redis.call('EXISTS', key('people', room)) == 0
end
local past = time('') - lease  -- the log has ids by the server's clock
for i = 4, #ARGV, 2 do
  local room, version = ARGV[i], ARGV[i + 1]
  redis.call('XTRIM', key('log', room), 'MINID', past)
  if redis.call('EXISTS', key('versions', room)) == 1 and lost(room) then mend(room) end
  local found = redis.call('HGET', key('versions', room), replica) or '0'
  expire(room, replica, 2 * lease)
  answer[#answer + 1] = found == version and 0 or 1
  answer[#answer + 1] = head(room)
end
return answer
""")

# now, lease, replica, room, version before, anew, number of lines, lines, connections that went
# -> nothing if the version is another; else version, connections, people, head before, head after
WRITE = _script("""
local now, lease, replica, room = time(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local before, anew, lines = ARGV[5], ARGV[6] == '1', tonumber(ARGV[7])
local set, versions = members(replica, room), key('versions', room)
local found = redis.call('HGET', versions, replica) or '0'
if not anew and found ~= before then return {} end
redis.call('ZADD', LEASES, 'NX', now + lease, replica)  -- so that the dead are always known
redis.call('PEXPIRE', LEASES, 2 * lease)
local since, version = head(room), 0
for i = 8, 7 + lines do
  local line = ARGV[i]
  local old = line_of(set, string.sub(line, 1, string.find(line, '\\n', 1, true) - 1))
  if old ~= line then
    add_user(room, user_of(line), 1)
    if old then
      redis.call('ZREM', set, old)
      add_user(room, user_of(old), -1)
    end
    redis.call('ZADD', set, 0, line)
    note(room, replica, line, 0)
  end
end
for i = 8 + lines, #ARGV do
  local old = line_of(set, ARGV[i])
  if old then drop(room, replica, old) end
end
if redis.call('ZCARD', set) == 0 then
  redis.call('HDEL', versions, replica)
  redis.call('SREM', P .. 'rooms:' .. replica, room)
else
  version = before + 1
  redis.call('HSET', versions, replica, version)
  redis.call('SADD', P .. 'rooms:' .. replica, room)
  redis.call('PEXPIRE', P .. 'rooms:' .. replica, 2 * lease)
end
expire(room, replica, 2 * lease)
local position = head(room)
if position ~= since then redis.call('PUBLISH', HINTS, replica .. ' ' .. room) end
local connections, people = count(room, now)
return {version, connections, people, since, position}
""")

# now, then room and position of each -> of each: connections, people, head, complete, entries
NEWS = _script("""
local now, answer = time(ARGV[1]), {}
for i = 2, #ARGV, 2 do
  local room, since = ARGV[i], ARGV[i + 1]
  local position = head(room)
  local connections, people = count(room, now)
  local complete, entries = since == position, {}
  if not complete and since ~= '' then
    entries = redis.call('XRANGE', key('log', room), '(' .. since, '+')
    complete = #entries > 0 and entries[1][2][2] == since
    if not complete then entries = {} end
  end
  local changes = {}
  for _, entry in ipairs(entries) do
    local f = entry[2]
    changes[#changes + 1] = f[4]
    changes[#changes + 1] = f[6]
    changes[#changes + 1] = f[8]
  end
  answer[#answer + 1] = {connections, people, position, complete and 1 or 0, changes}
end
return answer
""")

# now, room -> connections, people
COUNT = _script("""
local connections, people = count(ARGV[2], time(ARGV[1]))
return {connections, people}
""")

# now, room, after, limit, lapsed -> of each replica that is alive, or of all: its name, lines
PAGE = _script("""
local now, room, answer = time(ARGV[1]), ARGV[2], {}
local from = ARGV[3] == '' and '-' or '(' .. ARGV[3] .. '\\11'
for _, replica in ipairs(redis.call('HKEYS', key('versions', room))) do
  if ARGV[5] == '1' or alive(replica, now) then
    answer[#answer + 1] = replica
    answer[#answer + 1] = redis.call(
      'ZRANGEBYLEX', members(replica, room), from, '+', 'LIMIT', 0, tonumber(ARGV[4]))
  end
end
return answer
""")

# now, replica, the dead one or none for any whose lease is over -> 1 if there may be more, room
SWEEP = _script("""
local now, replica, dead = time(ARGV[1]), ARGV[2], ARGV[3]
if dead == '' then dead = redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, 1)[1] end
if not dead or alive(dead, now) then return {0, ''} end
local rooms = P .. 'rooms:' .. dead
local room = redis.call('SRANDMEMBER', rooms)
if not room then
  redis.call('ZREM', LEASES, dead)
  return {ARGV[3] == '' and 1 or 0, ''}
end
local set, versions = members(dead, room), key('versions', room)
local known = redis.call('HEXISTS', versions, dead) == 1
local lines = redis.call('ZRANGE', set, 0, AT_ONCE - 1)
for _, line in ipairs(lines) do drop(room, dead, line) end
if redis.call('ZCARD', set) == 0 then
  redis.call('HDEL', versions, dead)
  redis.call('SREM', rooms, room)
  if known and #lines == 0 then mend(room) end
else
  redis.call('HSET', versions, dead, 0)
end
redis.call('PUBLISH', HINTS, replica .. ' ' .. room)
return {1, room}
""")

# replica -> nothing
LEAVE = _script("""
redis.call('ZADD', LEASES, 0, ARGV[1])
""")

EVERY = (RENEW, TOUCH, WRITE, NEWS, COUNT, PAGE, SWEEP, LEAVE)
NAMES = {
    script: sha1(script.encode(), usedforsecurity=False).hexdigest() for script in EVERY
}  # as Redis calls them
