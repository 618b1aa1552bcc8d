-- Sessions are judged by a few of their moments first, as joining every event to the end of its session costs far more.
with sessions as (
    select
        user_id,
        session_id,
        max(start_time) as last_moment
    from {{ ref('int_page_views') }}
    where {{ in_affected_days('session_date', of='sessions') }}
    group by user_id, session_id
    having
        min(case when stop_time is null then start_time end) < max(start_time)
        or max(case when stop_time is not null then start_time end) = max(start_time)
        or max(case when stop_time <= start_time then 1 else 0 end) = 1
)

select page_views.*
from {{ ref('int_page_views') }} as page_views
inner join sessions
    on
        page_views.user_id = sessions.user_id
        and page_views.session_id = sessions.session_id
where
    {{ in_affected_days('page_views.session_date', of='sessions') }}
    and (
        page_views.stop_time <= page_views.start_time
        or (page_views.stop_time is null and page_views.start_time < sessions.last_moment)
        or (page_views.stop_time is not null and page_views.start_time = sessions.last_moment)
    )
